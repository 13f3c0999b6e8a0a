"""The diagnosis and the first difference by hand name one equation, in batches too; the example is small though it needs a batch."""

import pytest

from benchmarks.diagnosis_power import _worth_trying, examine, findings_of, shows
from verifier.checks import autograd
from verifier.diagnosis.mlp.explaining import explain_failure, same_mistake, work_by_hand
from verifier.diagnosis.mlp.faults import FAULTS
from verifier.verification.judging import judge
from verifier.verification.shrinking import shrink

HEAD = """\
# /// script
# [tool.verifier]
# contract = "mlp"
# ///
import numpy as np


def backprop(weights, biases, x, y):
    a, n = [x], len(x)
    for w, b in zip(weights, biases):
        a.append(1 / (1 + np.exp(-(a[-1] @ w.T + b))))
    loss = ((a[-1] - y) ** 2).sum() / n
    delta = 2 * (a[-1] - TARGETS) / n * a[-1] * (1 - a[-1])
    gw, gb = [], []
    for l in reversed(range(len(weights))):
        gw.insert(0, WEIGHTS)
        gb.insert(0, delta.sum(axis=0))
        delta = (delta @ weights[l]) * a[l] * (1 - a[l])DOWN
    return loss, gw, gb
"""
RIGHT = {"TARGETS": "y", "WEIGHTS": "delta.T @ a[l]", "DOWN": ""}
WRONG = {
    "targets of the next sample": ({"TARGETS": "np.roll(y, 1, axis=0)"}, "output-delta", 2),
    "the mean again on the way down": ({"DOWN": " / n"}, "hidden-delta", 2),
    "three samples alone": ({"WEIGHTS": "delta[:3].T @ a[l][:3]"}, "weight-gradient", 4),
}


def test_an_overwritten_activation_is_said_of_the_product_that_shows_it_first(tmp_path):
    """Layers of one shape share a buffer: the product of the layer above is wrong before the δ below is."""
    kept = "a.append(1 / (1 + np.exp(-(a[-1] @ w.T + b))))"
    shared = "z = kept.setdefault((len(x), w.shape), np.empty((len(x), len(w))))\n        z[...] = 1 / (1 + np.exp(-(a[-1] @ w.T + b)))"
    text = HEAD.replace(kept, f"{shared}\n        a.append(z)").replace("a, n = [x]", "kept = {}\n    a, n = [x]")
    for mark, code in RIGHT.items():
        text = text.replace(mark, code)
    (tmp_path / "student.py").write_text(text, encoding="utf-8")
    (judged,) = judge([str(tmp_path / "student.py")], profile="quick")
    assert judged.report.diagnosis[0].equation == "weight-gradient"
    assert next(step.equation for step in judged.report.counterexample.walkthrough if step.parts) == "weight-gradient"


@pytest.mark.parametrize(("pieces", "equation", "batch"), WRONG.values(), ids=WRONG)
def test_diagnosis_and_lines_by_hand_agree(pieces, equation, batch, tmp_path):
    text = HEAD
    for mark, code in {**RIGHT, **pieces}.items():
        text = text.replace(mark, code)
    (tmp_path / "student.py").write_text(text, encoding="utf-8")
    (judged,) = judge([str(tmp_path / "student.py")], profile="quick")
    example = judged.report.counterexample
    assert judged.report.diagnosis[0].equation == equation
    assert next(step.equation for step in example.walkthrough if step.parts) == equation
    assert example.problem.endswith(f"batch {batch}")


def test_where_samples_that_come_twice_count_once_the_lines_tell_the_sum_of_their_deltas(tmp_path):
    """Single samples and batches without a repeat are right: no law says the equation; the report takes that of the smallest network."""
    once = "seen = np.unique(np.concatenate([x, y], axis=1), axis=0, return_index=True)[1]"
    text = HEAD.replace("    gw, gb =", f"    {once}\n    delta = delta * np.isin(np.arange(n), seen)[:, None]\n    gw, gb =")
    for mark, code in RIGHT.items():
        text = text.replace(mark, code)
    (tmp_path / "student.py").write_text(text, encoding="utf-8")
    (judged,) = judge([str(tmp_path / "student.py")], profile="quick")
    first = next(step for step in judged.report.counterexample.walkthrough if step.parts)
    assert judged.report.verdict == "fail"
    assert judged.report.diagnosis[0].equation == first.equation == "output-delta"
    assert "together: Σ δ[0]" in first.text


@pytest.mark.parametrize("chosen", range(12))
def test_the_first_difference_by_hand_is_of_the_equation_that_is_named(chosen):
    """Planted mistakes in code of several layouts: the report's diagnosis and its lines name one equation."""
    names = [fault.id for fault in FAULTS if not fault.pattern]
    name = names[(7 * chosen + 3) % len(names)]
    place = next((place for place in _worth_trying(name) if shows(place, (name,))), None)
    if place is None:
        pytest.skip(f"{name} shows in no implementation")
    examination = examine(place, (name,))
    diagnosed = explain_failure(findings_of(examination, (name,)), examination)
    failed = autograd.check(examination).outcome
    failing = next(item for item in examination.items if item.index == failed.problem)
    shrunk = shrink(examination, autograd.CHECK, failing, budget=300, same=same_mistake(diagnosed, examination))
    answered = examination.answer_to(failing) if shrunk is None else shrunk.answered
    lines = work_by_hand(examination, answered, diagnosed)
    assert next(line.equation for line in lines if line.parts) == diagnosed.diagnosis[0].equation, name
