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


def test_a_counter_is_no_chance():
    told = tell_changes(CLAIMS, asked(lambda evaluation, count: scaled(evaluation, 0.999**count)), seed=1)
    assert told.fault == "state-kept-between-calls" and "how often it was called" in told.explanation
    assert "random" not in told.explanation


def test_chance_in_the_loss_too_is_the_forward_pass():
    def noisy(evaluation, count):
        return replace(scaled(evaluation, 1 + 1e-3 * RANDOM.normal()), loss=evaluation.loss * (1 + 1e-3 * RANDOM.normal()))

    told = tell_changes(CLAIMS, asked(noisy), seed=1)
    assert (told.fault, told.equation) == ("random-between-calls", "forward")
