"""An answer that changes from call to call: counted or by chance, in the loss or in the backward pass alone."""

from dataclasses import replace

import numpy as np
import pytest

from verifier import textbook
from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.mlp.changing import tell_changes

CLAIMS = Claims()


def asked(change):
    """A way to ask right code whose answer `change` may alter, given how often it was called."""
    calls = [0]

    def ask(problem):
        calls[0] += 1
        return change(textbook.evaluate(problem), calls[0])

    return ask


def scaled(evaluation, factor, *, only=""):
    return replace(evaluation, gradients={n: g * factor if n.startswith(only) else g for n, g in evaluation.gradients.items()})


RANDOM = np.random.default_rng(5)


def test_what_is_the_same_each_time_is_told_nothing():
    assert tell_changes(CLAIMS, asked(lambda evaluation, count: evaluation), seed=1) is None


@pytest.mark.parametrize(("only", "equation"), [("", "output-delta"), ("biases", "bias-gradient"), ("weights", "weight-gradient")])
def test_chance_in_the_backward_pass_alone_is_told_so(only, equation):
    told = tell_changes(CLAIMS, asked(lambda evaluation, count: scaled(evaluation, 1 + 1e-3 * RANDOM.normal(), only=only)), seed=1)
    assert (told.fault, told.equation) == ("random-between-calls", equation)
    assert "The loss is the same at each call" in told.explanation and "random, the backward pass is" in told.explanation


ORDER = "sorted(range(len(gw)), key=lambda layer: {})"
CHANCE = {
    "identity of objects": ORDER.format("id(gw[layer])"),
    "the operating system": ORDER.format("os.urandom(2)"),
    "a clock": ORDER.format("(time.perf_counter_ns() // 100) * 7919 % 13"),
    "a shuffle": "random.sample(range(len(gw)), len(gw))",
}


@pytest.mark.parametrize("order", CHANCE.values(), ids=CHANCE)
def test_an_order_that_changes_is_not_also_the_reverse_order(order, tmp_path):
    """Layers come back in an order of chance: what one answer shows, the reverse order, is no explanation."""
    from verifier.verification.judging import judge

    (tmp_path / "student.py").write_text(
        "import os, random, time\nimport numpy as np\n\n\ndef backprop(weights, biases, x, y):\n    a = [x]\n"
        "    for w, b in zip(weights, biases):\n        a.append(1 / (1 + np.exp(-(a[-1] @ w.T + b))))\n"
        "    delta = 2 * (a[-1] - y) / len(x) * a[-1] * (1 - a[-1])\n    gw, gb = [], []\n"
        "    for l in reversed(range(len(weights))):\n        gw.insert(0, delta.T @ a[l])\n        gb.insert(0, delta.sum(axis=0))\n"
        "        delta = (delta @ weights[l]) * a[l] * (1 - a[l])\n"
        f"    order = {order}\n"
        "    return ((a[-1] - y) ** 2).sum() / len(x), [gw[l] for l in order], [gb[l] for l in order]\n",
        encoding="utf-8",
    )
    (judged,) = judge([str(tmp_path / "student.py")], profile="quick")
    report = judged.report
    assert report.verdict == "fail"
    assert [diagnosis.fault for diagnosis in report.diagnosis] == ["random-between-calls"]
    assert "a set, whose order may change" in report.diagnosis[0].explanation
    steps = () if report.counterexample is None else report.counterexample.walkthrough
    assert next((step.equation for step in steps if step.parts), report.diagnosis[0].equation) == report.diagnosis[0].equation


def test_a_counter_is_no_chance():
    told = tell_changes(CLAIMS, asked(lambda evaluation, count: scaled(evaluation, 0.999**count)), seed=1)
    assert told.fault == "state-kept-between-calls" and "how often it was called" in told.explanation
    assert "random" not in told.explanation


def test_chance_in_the_loss_too_is_the_forward_pass():
    def noisy(evaluation, count):
        return replace(scaled(evaluation, 1 + 1e-3 * RANDOM.normal()), loss=evaluation.loss * (1 + 1e-3 * RANDOM.normal()))

    told = tell_changes(CLAIMS, asked(noisy), seed=1)
    assert (told.fault, told.equation) == ("random-between-calls", "forward")
