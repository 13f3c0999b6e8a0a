"""A proposed test passes as it is, and notices: it is what a user would paste."""

import subprocess
import sys

import pytest

from tests.audit.conftest import audit_in
from tests.audit.projects import FILES, LAYERS, PATTERNS, TESTS

TORCH = {
    "passes.py": """
import torch


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale, power=2):
        ctx.save_for_backward(x, scale)
        ctx.power = power
        return scale * x**power

    @staticmethod
    def backward(ctx, cotangent):
        x, scale = ctx.saved_tensors
        return scale * ctx.power * x ** (ctx.power - 1) * cotangent, None, None
""",
    "test_passes.py": """
import torch
from passes import Scaled


def test_shape():
    x = torch.randn(4, 4, requires_grad=True)
    Scaled.apply(x, torch.tensor(2.5), 2).sum().backward()
    assert x.grad.shape == x.shape
""",
}


def run_tests(folder):
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "proposed.py"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def proposed(tmp_path_factory):
    home = tmp_path_factory.mktemp("proposed")
    return audit_in(home / "project", home / "cache")(TORCH, "--output", "tests=proposed.py", "--no-resolution")


def test_what_no_comparison_notices_the_proposed_tests_do(proposed):
    function = proposed.function("Scaled")
    assert "doubled" in proposed.outcomes("Scaled")["not-noticed"]
    noticed = {mutant for proposal in function["proposals"] for _, mutant in proposal["notices"]}
    assert noticed >= {
        "zero",
        "doubled",
        "cotangent-ones",
        "cotangent-contiguous",
        "previous-call",
        "narrower",
        "unequal-sizes",
        "last-tile",
    }
    assert noticed >= {"where-large", "at-zeros", "at-ties", "other-rank", "other-power", "equal-sizes"}


def test_they_pass_on_the_code_as_it_is_and_fail_on_a_mistake_made_by_hand(proposed):
    assert run_tests(proposed.folder).returncode == 0
    wrong = TORCH["passes.py"].replace("* cotangent, None", "* cotangent.sign(), None")
    (proposed.folder / "passes.py").write_text(wrong, encoding="utf-8")
    assert run_tests(proposed.folder).returncode == 1


def test_an_argument_without_a_gradient_stays_fixed(proposed):
    source = proposed.function("Scaled")["proposals"][0]["source"]
    assert "x.requires_grad_()" in source
    assert "scale.requires_grad_()" not in source


def test_the_parameters_of_a_layer_are_differentiated_too(audit):
    unlooked = TESTS.replace("    np.testing.assert_allclose(layer.dW, X.T @ DOUT, rtol=1e-10)\n", "")
    files = {**FILES, "test_layers.py": unlooked}
    audited = audit(files, *PATTERNS, "--only", "Dense*", "--output", "tests=proposed.py", "--no-resolution")
    noticed = {tuple(pair) for proposal in audited.function("Dense.backward")["proposals"] for pair in proposal["notices"]}
    assert {("self.dW", "doubled"), ("self.dW", "reversed"), ("self.dW", "narrower")} <= noticed
    assert run_tests(audited.folder).returncode == 0
    (audited.folder / "layers.py").write_text(LAYERS.replace("+= self.x.T @ dout", "+= 1.001 * self.x.T @ dout"), encoding="utf-8")
    assert run_tests(audited.folder).returncode == 1


def test_a_pass_that_no_test_can_import_has_none_and_says_why(audit):
    files = {
        "passes.py": """
import torch


def made():
    class Local(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return -x

        @staticmethod
        def backward(ctx, cotangent):
            return -cotangent

    return Local


FUNCTIONS = [made()]
""",
        "test_passes.py": """
import torch
from passes import FUNCTIONS


def test_shape():
    x = torch.randn(4, requires_grad=True)
    FUNCTIONS[0].apply(x).sum().backward()
    assert x.grad.shape == (4,)
""",
    }
    (function,) = audit(files, "--no-resolution").found["functions"]
    assert function["proposals"] == []
    assert function["unproposed"] == "it has no name that a test could import"
