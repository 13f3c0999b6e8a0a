"""Stairs that rounding makes inside a layer hide its gradient and accuse nobody; steps that are meant hide nothing."""

import pytest

import verifier

FILE = """# /// script
# [tool.verifier]
# contract = "layer"
# forward = "out, x = layer_forward(x)"
# backward = "dx = layer_backward(dout, x)"
# arrays = {{ x = "N D" }}
# ///
import numpy as np

def layer_forward(x):
    return {forward}, x

def layer_backward(dout, x):
    return {backward}
"""
ONE_MINUS_COS = "(1 - np.cos(1e-8 * x)) / 1e-16", "dout * np.sin(1e-8 * x) / 1e-8"
RIGHT = {
    "1 - cos": ONE_MINUS_COS,
    "a logarithm of 1 + x": ("np.log(1 + 1e-6 * x) / 1e-6", "dout / (1 + 1e-6 * x)"),
    "tanh with an offset": ("(np.tanh(1e-6 * x) + 1 - 1) / 1e-6", "dout * (1 - np.tanh(1e-6 * x) ** 2)"),
    "an offset, in float32": ("(np.float32(1e4) + x.astype(np.float32) - np.float32(1e4)).astype(float)", "dout * 1.0"),
}
WRONG = {
    "a quantiser's slope of one": ("np.round(4 * x) / 4", "dout * 1.0"),
    "a mask with another slope": ("x * x * (x > 0.25)", "dout * x * (x > 0.25)"),
    "half of a logarithm's": ("np.log(1 + 1e-3 * x) / 1e-3", "0.5 * dout / (1 + 1e-3 * x)"),
    "twice a ReLU's": ("np.maximum(0, x)", "2.0 * dout * (x > 0)"),
}

NOISY = """# /// script
# [tool.verifier]
# contract = "layer"
# forward = "out, cache = layer_forward(x, w)"
# backward = "dx, dw = layer_backward(dout, cache)"
# arrays = { x = "N D", w = "N D" }
# ///
import numpy as np

def layer_forward(x, w):
    return x * w**3, (x, w)

def layer_backward(dout, cache):
    x, w = cache
    return dout * w**3 * (1 + 1e-4 * np.sin(1e9 * x)), dout * 3 * x * w**2 * (1 + 1e-6)
"""


@pytest.fixture
def verdict(tmp_path):
    def judged(forward, backward):
        file = tmp_path / "layers.py"
        file.write_text(FILE.format(forward=forward, backward=backward))
        return verifier.check(file, profile="quick", seed=0).verdict

    return judged


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_layer_on_the_stairs_of_its_rounding_is_not_accused(name, verdict):
    assert verdict(*RIGHT[name]) in ("pass", "inconclusive")


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_found_beside_steps_that_are_meant(name, verdict):
    assert verdict(*WRONG[name]) == "fail"


def test_where_nothing_tells_a_wrong_gradient_it_does_not_pass(verdict):
    forward, backward = ONE_MINUS_COS
    assert verdict(forward, f"3.0 * {backward}") == "inconclusive"


def test_an_array_is_judged_at_the_problem_itself_after_another_whose_claim_is_noise(tmp_path):
    """The noise of dx is found by asking beside the problem: differences of w that came after it were of that place, deciding nothing."""
    file = tmp_path / "layers.py"
    file.write_text(NOISY)
    report = verifier.check(file, profile="quick", seed=0)
    found = next(check for check in report.checks if check.id == "finite-difference")
    assert (found.status, found.tensor) == ("fail", "w")
