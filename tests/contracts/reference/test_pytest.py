"""`pytest --verify` on a file of contract `reference`: a test suite's own files are trusted where it says so, and not elsewhere."""

import subprocess
import sys
from importlib import metadata

import pytest

INSTALLED = any(point.value == "verifier.pytest_plugin" for point in metadata.entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "verifier.pytest_plugin")
CASE = """# /// script
# [tool.verifier]
# contract = "reference"
# candidate = "kernels/double.py:double"
# ///
import torch


def reference(x):
    return 2 * x


def arguments():
    return (torch.randn(3, 4, dtype=torch.float64),)
"""
KERNEL = """import torch


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, cotangent):
        return FACTOR * cotangent


double = Double.apply
"""


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "kernels").mkdir()
    (tmp_path / "double_case.py").write_text(CASE, encoding="utf-8")

    def run(factor, ini=""):
        (tmp_path / "kernels" / "double.py").write_text(KERNEL.replace("FACTOR", factor), encoding="utf-8")
        (tmp_path / "pytest.ini").write_text(f"[pytest]\nverify = double_case.py\nverify_profile = quick\n{ini}", encoding="utf-8")
        words = [sys.executable, "-m", "pytest", "-q", *PLUGIN, "-p", "no:cacheprovider"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout

    return run


def test_a_suite_that_trusts_its_references_is_judged_by_them(suite):
    trusted = "verify_trust_references = true\n"
    status, said = suite("2", trusted)
    assert (status, "passed" in said) == (0, True), said
    status, said = suite("3", trusted)
    assert status == 1, said
    assert "the gradient of x is not the reference's" in said
    assert "double_case.py::autograd" in said


def test_without_it_no_reference_runs(suite):
    status, said = suite("2")
    assert status == 1, said
    assert "trust" in said
