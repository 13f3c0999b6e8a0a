"""Whole runs over engines: real worker, real report. Each planted engine has one published mistake."""

import json
from pathlib import Path

import pytest

from verifier import check

ROOT = Path(__file__).resolve().parents[2]
PLANTED = ROOT / "tests" / "planted" / "engines"
NAMED = {
    "self_once": "engine:",
    "add_in_place": "engine:aliased",
    "no_accumulation": "engine:not-accumulated-over-calls",
    "zero_grad_keeps": "engine:not-cleared",
    "leading_axes_only": "engine:broadcasting",
    "getitem_plus_equals": "operation:getitem:a",
    "exponent_ignored": "operation:pow:b:zero",
}


def judged(path):
    return check(path, profile="quick")


@pytest.mark.parametrize("name", ["tensor_engine", "scalar_engine"])
def test_a_right_engine_passes(name):
    report = judged(ROOT / "reference_impls" / "engines" / f"{name}.py")
    assert report.verdict == "pass", report.summary
    assert all(row.value == "right" for row in report.operations)


@pytest.mark.parametrize(("name", "fault"), NAMED.items())
def test_a_planted_mistake_is_found_and_named(name, fault):
    report = judged(PLANTED / f"{name}.py")
    assert report.verdict == "fail"
    assert report.diagnosis[0].fault.startswith(fault), report.diagnosis
    assert report.counterexample is not None
    assert any(step.parts for step in report.counterexample.walkthrough)


def test_a_narrow_gradient_is_judged_as_what_it_is():
    report = judged(PLANTED / "single_precision_gradient.py")
    assert report.verdict == "pass"
    assert any("float32" in note.message for note in report.notes)


def test_a_file_without_a_table_is_an_error_that_says_so(tmp_path):
    file = tmp_path / "engine.py"
    file.write_text('# /// script\n# [tool.verifier]\n# contract = "engine"\n# ///\nleaf = value = backward = gradient = print\n')
    report = judged(file)
    assert report.verdict == "error"
    assert "operations" in report.summary


def test_the_smallest_graph_is_replayed(tmp_path, command):
    planted = PLANTED / "zero_grad_keeps.py"
    command("check", planted, "--profile", "quick", "--report-dir", tmp_path)
    stored = tmp_path / "zero_grad_keeps" / "counterexample.safetensors"
    assert command("replay", stored, planted, "--report-dir", tmp_path / "again").returncode == 1
    right = ROOT / "reference_impls" / "engines" / "tensor_engine.py"
    assert command("replay", stored, right, "--report-dir", tmp_path / "right").returncode == 0
    assert json.loads((tmp_path / "zero_grad_keeps" / "report.json").read_text())["operations"]


OTHERWISE = {
    "matrices made of vectors": "leaf = lambda array: Tensor(np.atleast_2d(array))",
    "a softmax of exp, sum and div": """
def softmax(a, axis=-1):
    powers = operations["exp"](a)
    return operations["div"](powers, total(powers, axis=axis, keepdims=True))
operations["softmax"] = softmax""",
    "the variance over N": """
def variance(a, axis=None, keepdims=False):
    apart = operations["sub"](a, mean(a, axis=axis, keepdims=True))
    return mean(operations["mul"](apart, apart), axis=axis, keepdims=keepdims)
operations["var"] = variance""",
    "sums that keep their axes unless told otherwise": """
operations["sum"] = lambda a, axis=None, keepdims=True: total(a, axis=axis, keepdims=keepdims)""",
    "maxima that always keep their axes": """
operations["amax"] = lambda a, axis=None: amax(a, axis=axis, keepdims=True)""",
}


def otherwise(tmp_path, text):
    file = tmp_path / "engine.py"
    file.write_text((ROOT / "reference_impls" / "engines" / "tensor_engine.py").read_text() + "\n\n" + text + "\n")
    return judged(file)


@pytest.mark.parametrize("text", OTHERWISE.values(), ids=OTHERWISE)
def test_what_an_engine_means_otherwise_is_no_fault(tmp_path, text):
    report = otherwise(tmp_path, text)
    assert report.verdict == "pass", report.summary


def test_an_epsilon_inside_a_logarithm_is_named(tmp_path):
    report = otherwise(tmp_path, 'operations["log"] = lambda a: unary(np.log, lambda x, y: 1 / x)(operations["add"](a, 1e-8))')
    assert report.verdict == "fail"
    assert "1e-08 added" in report.diagnosis[0].explanation


WITHOUT_BACKWARD = """# /// script
# [tool.verifier]
# contract = "engine"
# ///
leaf, value, gradient = lambda array: array.copy(), lambda array: array, lambda leaf: None
backward = lambda output: None
operations = {"detach": lambda a: a}
"""


def test_an_engine_that_could_not_have_been_wrong_is_no_pass(tmp_path):
    file = tmp_path / "engine.py"
    file.write_text(WITHOUT_BACKWARD)
    report = judged(file)
    assert report.verdict == "inconclusive", report.summary
