"""A function that an assignment names as the reference of a layer: who may name it, what it is told, and what it decides."""

import pytest

import verifier
from verifier.candidates.assignment import read_assignment
from verifier.errors import RequestError

ASSIGNMENT = """
contract = "layer"

[[layer]]
name = "gated"
forward = "out, cache = gated_forward(x, w, v)"
backward = "dx, dw, dv = gated_backward(dout, cache)"
arrays = { x = "N D", w = "D M", v = "D M" }
reference = "reference.py:gated"
"""
REFERENCE = """
import torch

def gated(x, w, v):
    return torch.nn.functional.silu(x @ w) * (x @ v)
"""
RIGHT = """
import numpy as np

def gated_forward(x, w, v):
    a, b = x @ w, x @ v
    s = 1 / (1 + np.exp(-a))
    return a * s * b, (x, w, v, a, b, s)

def gated_backward(dout, cache):
    x, w, v, a, b, s = cache
    db = dout * a * s
    da = dout * b * (s + a * s * (1 - s))
    return da @ w.T + db @ v.T, x.T @ da, x.T @ db
"""
WRONG_BACKWARD = RIGHT.replace("(s + a * s * (1 - s))", "s")
WRONG_FORWARD = RIGHT.replace("return a * s * b, (", "return s * b, (")
ANOTHER_FUNCTION = (
    RIGHT.replace("return a * s * b, (", "return s * b, (")
    .replace("db = dout * a * s", "db = dout * s")
    .replace("(s + a * s * (1 - s))", "s * (1 - s)")
)
ONE_ROW = RIGHT.replace("return a * s * b, (", "return (a * s * b)[:, :1], (").replace(
    "db = dout", "dout = np.pad(dout, ((0, 0), (0, a.shape[1] - 1)))\n    db = dout"
)


@pytest.fixture
def judge(tmp_path):
    def judged(source, reference=REFERENCE, assignment=ASSIGNMENT):
        (tmp_path / "submissions").mkdir(exist_ok=True)
        (tmp_path / "assignment.toml").write_text(assignment)
        (tmp_path / "reference.py").write_text(reference)
        (tmp_path / "submissions/layers.py").write_text(source)
        return verifier.check(tmp_path / "submissions/layers.py", profile="quick", seed=0, assignment=tmp_path / "assignment.toml")

    return judged


def status_of(report, check):
    return next((outcome.status for outcome in report.checks if outcome.id == check), "")


def test_a_layer_with_the_outputs_of_the_reference_and_right_gradients_passes(judge):
    report = judge(RIGHT)
    assert (report.verdict, status_of(report, "forward")) == ("pass", "pass")


def test_a_wrong_backward_pass_beside_right_outputs_is_said_to_be_that(judge):
    report = judge(WRONG_BACKWARD)
    assert (report.verdict, status_of(report, "forward")) == ("fail", "pass")
    assert "the backward pass is wrong" in report.diagnosis[0].evidence


def test_a_wrong_forward_pass_beside_the_references_gradients_is_said_to_be_that(judge):
    assert "The forward pass is wrong, the backward pass is that of the reference" in judge(WRONG_FORWARD).summary


def test_another_function_with_its_own_right_gradients_fails_by_its_outputs_alone(judge):
    report = judge(ANOTHER_FUNCTION)
    assert (report.verdict, status_of(report, "forward"), status_of(report, "finite-difference")) == ("fail", "fail", "pass")
    assert "not those of the reference" in report.summary
    assert "Its backward pass is right for what it computes." in report.summary


def test_outputs_of_another_shape_are_told_both(judge):
    assert "not those of the reference: out has shape (" in judge(ONE_ROW).summary


def test_another_reference_is_asked_itself_whatever_was_kept_of_an_earlier_one(judge, tmp_path):
    assert judge(RIGHT).verdict == "pass"
    text = read_assignment(str(tmp_path / "assignment.toml")).text
    assert judge(RIGHT, reference=REFERENCE.replace("silu", "gelu")).verdict == "fail"
    assert read_assignment(str(tmp_path / "assignment.toml")).text != text


def test_a_submission_that_names_a_reference_is_refused(judge, tmp_path):
    keys = [line for line in ASSIGNMENT.splitlines() if line and not line.startswith("[")]
    named = "\n".join(["# /// script", "# [tool.verifier]", *(f"# {line}" for line in keys), "# ///", RIGHT])
    (tmp_path / "mine.py").write_text(named)
    with pytest.raises(RequestError, match='line 8: manifest key "reference" belongs in an assignment: code that is judged cannot name'):
        verifier.check(tmp_path / "mine.py", profile="quick")
    report = judge(named.replace("reference.py:gated", "mine.py:gated"))
    assert (report.verdict, report.reason) == ("error", "not-judged")
    assert "must not be in the manifest" in report.summary


def test_a_submission_that_names_one_in_a_table_of_a_layer_is_refused(tmp_path):
    lines = ASSIGNMENT.strip().replace("[[layer]]", "[[tool.verifier.layer]]").splitlines()
    named = "\n".join(["# /// script", "# [tool.verifier]", *(f"# {line}" for line in lines), "# ///", RIGHT])
    (tmp_path / "mine.py").write_text(named)
    with pytest.raises(RequestError, match="belongs in an assignment"):
        verifier.check(tmp_path / "mine.py", profile="quick")


@pytest.mark.parametrize("named", ["../reference.py:gated", "/reference.py:gated", "reference.py", "absent.py:gated"])
def test_a_reference_that_is_no_function_of_a_file_beside_the_assignment_is_refused(judge, named):
    with pytest.raises(RequestError, match="reference"):
        judge(RIGHT, assignment=ASSIGNMENT.replace("reference.py:gated", named))


def test_a_reference_that_takes_what_nobody_knows_is_told_what_there_is(judge):
    report = judge(RIGHT, reference=REFERENCE.replace("(x, w, v)", "(x, weights, v)").replace("@ w)", "@ weights)"))
    assert report.verdict == "error"
    assert (
        "reference.py:gated takes weights, which is no array, size or option of the assignment; there are D, M, N, v, w, x."
        in report.summary
    )


def test_a_reference_imports_nothing_that_lies_beside_it(judge, tmp_path):
    (tmp_path / "helper.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    report = judge(RIGHT, reference="import helper\n" + REFERENCE)
    assert "No module named 'helper'" in report.summary
    assert not (tmp_path / "ran").exists()


def test_sizes_and_options_go_to_a_reference_that_names_them(judge):
    assignment = ASSIGNMENT.replace("(x, w, v)", "(x, w, v, gain)").replace("reference =", "options = { gain = [1.0, 3.0] }\nreference =")
    source = RIGHT.replace("(x, w, v):", "(x, w, v, gain):").replace("return a * s * b, (", "return gain * a * s * b, (")
    source = (
        source.replace("a, b, s)", "a, b, s, gain)")
        .replace("a, b, s =", "a, b, s, gain =")
        .replace("db = dout", "dout = gain * dout\n    db = dout")
    )
    reference = REFERENCE.replace("(x, w, v)", "(x, w, v, gain, M)").replace("return ", "assert w.shape[1] == M\n    return gain * ")
    assert judge(source, reference=reference, assignment=assignment).verdict == "pass"
    assert judge(source, assignment=assignment).verdict == "fail"
