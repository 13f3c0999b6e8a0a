"""Contract `reference`: the candidate in the worker, the reference in a process of its own, which only who trusts the file gets."""

import shutil
from pathlib import Path

import pytest

from verifier.verification.judging import judge

CASE = """# /// script
# [tool.verifier]
# contract = "reference"
# candidate = "kernels/swiglu.py:swiglu"
# shapes = ["N D", "D H", "D H"]
# options = {{ gated = [true, false] }}
# {more}
# ///
import torch


def reference(x, a, b, *, gated):
    return torch.nn.functional.silu(x @ a) * (x @ b) if gated else x @ a


def arguments():
    return torch.ones(4, 3, dtype=torch.{dtype}), torch.ones(3, 2, dtype=torch.{dtype}), torch.ones(3, 2, dtype=torch.{dtype})
"""
KERNEL = """
import torch


class SwiGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, a, b, gated):
        ctx.save_for_backward(x, a, b)
        ctx.gated = gated
        return torch.nn.functional.silu(x @ a) * (x @ b) if gated else x @ a

    @staticmethod
    def backward(ctx, dy):
        x, a, b = ctx.saved_tensors
        if not ctx.gated:
            return dy @ a.T, x.T @ dy, torch.zeros_like(b), None
        left, right = x @ a, x @ b
        s = torch.sigmoid(left)
        dleft, dright = dy * right * s * (1 + left * (1 - s)), dy * left * s
        return dleft @ a.T + dright @ b.T, x.T @ dleft, x.T @ dright, None


def swiglu(x, a, b, *, gated):
    return SwiGlu.apply(x, a, b, gated)
"""


def judged(folder: Path, kernel: str, *, case: str = CASE, dtype: str = "float64", more: str = "", trust: bool = True):
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "kernels").mkdir(parents=True)
    (folder / "kernels" / "swiglu.py").write_text(kernel, encoding="utf-8")
    (folder / "swiglu_case.py").write_text(case.format(dtype=dtype, more=more), encoding="utf-8")
    (found,) = judge([str(folder / "swiglu_case.py")], profile="quick", seed=1, trust_references=trust, isolation="auto")
    assert not isinstance(found, Exception), found
    return found.report


def test_right_code_passes_and_a_mistake_in_one_option_is_found_and_shown(tmp_path):
    report = judged(tmp_path, KERNEL)
    assert (report.verdict, report.checks[0].problems > 60) == ("pass", True), report.summary
    report = judged(tmp_path, KERNEL.replace("return dy @ a.T, x.T @ dy, torch", "return dy @ a.T, x.T @ dy / len(x), torch"))
    assert report.verdict == "fail"
    assert report.summary.startswith("the gradient of a is not the reference's, only with gated=False.")
    assert report.counterexample.claimed.keys() == report.counterexample.reference.keys() == {"a"}
    assert report.measurements[0].tensor == "a"


def test_a_reference_without_a_number_anywhere_is_no_pass_for_zeros(tmp_path):
    case = CASE.replace("torch.nn.functional.silu(x @ a) * (x @ b) if gated else x @ a", "torch.sqrt(-9 - (x @ a) ** 2)")
    report = judged(tmp_path, "def swiglu(x, a, b, *, gated):\n    return 0 * (x @ a)\n", case=case)
    assert (report.verdict, "nothing could be asked" in report.summary) == ("inconclusive", True), report.summary


def test_what_only_memory_shows_is_found_over_the_border_too(tmp_path):
    kernel = KERNEL.replace("x, a, b = ctx.saved_tensors", "x, a, b = ctx.saved_tensors\n        dy *= 1.5\n        dy = dy / 1.5")
    report = judged(tmp_path, kernel)
    assert (report.verdict, "the cotangent is not as it went in" in report.summary) == ("fail", True), report.summary


def test_a_reference_runs_for_nobody_who_does_not_trust_it(tmp_path):
    case = CASE + f"\n\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n"
    report = judged(tmp_path / "case", KERNEL, case=case.replace("{str", "{{str"), trust=False)
    assert (report.verdict, "--trust-references" in report.summary) == ("error", True)
    assert not (tmp_path / "ran").exists()


def test_the_candidate_is_confined(tmp_path):
    report = judged(tmp_path, "open('/etc/passwd').read()\n" + KERNEL)
    assert (report.verdict, "PermissionError" in report.summary) == ("error", True), report.summary


def test_arrays_with_a_backward_function_of_their_own(tmp_path):
    kernel = """
import numpy as np


def swiglu(x, a, b, *, gated):
    return (x @ a) / (1 + np.exp(-(x @ a))) * (x @ b) if gated else x @ a


def swiglu_backward(x, a, b, dy, *, gated):
    if not gated:
        return dy @ a.T, x.T @ dy, 0 * b
    left, right = x @ a, x @ b
    s = 1 / (1 + np.exp(-left))
    dleft, dright = dy * right * s * (1 + left * (1 - s)), dy * left * s
    return dleft @ a.T + dright @ b.T, x.T @ dleft, x.T @ dright
"""
    assert judged(tmp_path, kernel, more='backward = "swiglu_backward"').verdict == "pass"


@pytest.mark.parametrize("more", ['shapes = ["N D"]', 'candidat = "x.py:f"', 'precision = "fast"'])
def test_what_the_manifest_gets_wrong_is_one_sentence(tmp_path, more):
    from verifier.errors import RequestError

    (tmp_path / "swiglu_case.py").write_text(CASE.format(dtype="float64", more=more), encoding="utf-8")
    (found,) = judge([str(tmp_path / "swiglu_case.py")], profile="quick", trust_references=True)
    assert isinstance(found, RequestError)
    assert "swiglu_case.py" in str(found)


def test_a_failure_in_a_narrow_type_has_its_numbers_too(tmp_path):
    report = judged(tmp_path, KERNEL.replace("(1 + left * (1 - s))", "(9 + left * (1 - s))"), dtype="bfloat16")
    assert "is not the reference's: its" in report.summary
    assert "5 x the largest error of copies that round as right code does" in report.summary
    (measured,) = report.measurements
    assert measured.error > measured.tolerance
    assert report.counterexample.claimed.keys() == report.counterexample.reference.keys() == {measured.tensor}
