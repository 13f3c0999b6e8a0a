"""Steps of another length than η are told by their law; momentum, only where one step is carried into the next."""

import numpy as np
import pytest

from verifier import textbook
from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.mlp.updates import explain_update

CLAIMS = Claims()
LENGTHS = {
    "2 η": lambda rate, problem, count: 2 * rate,
    "η / (batch size)": lambda rate, problem, count: rate / len(problem.arrays["x"]),
    "η × (number of outputs)": lambda rate, problem, count: rate * problem.arrays["y"].shape[1],
    "1 / η": lambda rate, problem, count: 1 / rate,
    "η²": lambda rate, problem, count: rate**2,
    "min(η, 0.05)": lambda rate, problem, count: min(rate, 0.05),
    "max(η, 0.01)": lambda rate, problem, count: max(rate, 0.01),
    "shorter each time": lambda rate, problem, count: rate / (1 + 0.01 * count),
    "another length at each rate": lambda rate, problem, count: rate**0.5,
}


def stepping(length, *, biases=1.0, decay=0.0):
    calls = [0]

    def step(problem, rate):
        calls[0] += 1
        found = {}
        for name, gradient in textbook.evaluate(problem).gradients.items():
            factor = biases if name.startswith("biases") else 1.0
            start = np.asarray(problem.arrays[name], dtype=float)
            found[name] = start - factor * length(rate, problem, calls[0]) * (gradient + decay * start)
        return found

    return step


@pytest.mark.parametrize("law", LENGTHS)
def test_the_law_of_the_length_is_told(law):
    told = explain_update(CLAIMS, stepping(LENGTHS[law]), seed=2)
    assert told.fault == "update-of-another-length" and law in told.explanation
    assert "momentum" not in told.explanation


def test_a_right_step_is_told_nothing():
    assert explain_update(CLAIMS, stepping(lambda rate, problem, count: rate), seed=2) is None


def test_biases_that_step_otherwise_are_told_apart():
    told = explain_update(CLAIMS, stepping(lambda rate, problem, count: rate, biases=2.0), seed=2)
    assert "2 η" in told.explanation and "biases" in told.explanation


def test_weight_decay_is_told_with_its_factor():
    told = explain_update(CLAIMS, stepping(lambda rate, problem, count: rate, decay=0.01), seed=2)
    assert told.fault == "update-with-weight-decay" and "0.01" in told.explanation


def test_a_decay_that_does_not_know_the_rate_is_not_called_one_of_it():
    def step(problem, rate):
        gradients = textbook.evaluate(problem).gradients
        kept = {name: 0.99 if name.startswith("weights") else 1.0 for name in gradients}
        return {name: kept[name] * np.asarray(problem.arrays[name], dtype=float) - rate * g for name, g in gradients.items()}

    told = explain_update(CLAIMS, step, seed=2)
    assert "λ W, whatever η is, λ = 0.01, off the weights" in told.explanation
    assert "Declare" not in told.explanation


def test_a_constant_rate_ignores_the_argument():
    assert explain_update(CLAIMS, stepping(lambda rate, problem, count: 0.05), seed=2).fault == "update-ignores-rate"
