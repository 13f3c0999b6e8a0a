"""Steps on parts of the batch are told with the size of a part, whichever sample is left; a right step is told nothing."""

import numpy as np
import pytest

from verifier import textbook
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.mini_batches import tell_mini_batches
from verifier.diagnosis.mlp.updates import explain_update

CLAIMS = Claims(activations=("tanh",))
RATE = 0.5


def step_by(order, size, *, rest=True, whole=False):
    """`update` of code that goes through the samples in this order, `size` at a time."""

    def step(problem, rate):
        arrays = {name: problem.arrays[name].copy() for name in problem.program.differentiate}
        x, y = problem.arrays["x"], problem.arrays["y"]
        places = order(len(x))
        for begin in range(0, len(x), size):
            rows = places[begin : begin + size]
            if len(rows) == size or rest:
                share = len(rows) / len(x) if whole else 1
                for name, g in gradients_at(problem, arrays, x[rows], y[rows]).items():
                    arrays[name] = arrays[name] - rate * share * g
        return arrays

    return step


def gradients_at(problem, arrays, x, y):
    """By the four equations, written out; tanh below and sigmoid at the output, squared error, mean over the samples."""
    last = architecture_of(problem).layers - 1
    a = [x]
    for layer in range(last + 1):
        z = a[-1] @ arrays[f"weights[{layer}]"].T + arrays[f"biases[{layer}]"]
        a.append(np.tanh(z) if layer < last else 1 / (1 + np.exp(-z)))
    delta = 2 * (a[-1] - y) / len(x) * a[-1] * (1 - a[-1])
    found = {}
    for layer in reversed(range(last + 1)):
        found[f"weights[{layer}]"], found[f"biases[{layer}]"] = delta.T @ a[layer], delta.sum(axis=0)
        delta = (delta @ arrays[f"weights[{layer}]"]) * (1 - a[layer] ** 2)
    return found


def shuffled():
    generator = np.random.default_rng(1)
    return lambda count: generator.permutation(count)


def in_order(count):
    return np.arange(count)


WAYS = {
    "two": (step_by(in_order, 2), "each mini-batch of 2 samples, in the order in which they come"),
    "eight": (step_by(in_order, 8), "each mini-batch of 8 samples"),
    "shuffled": (step_by(shuffled(), 3), "each mini-batch of 3 samples, not in the order in which they come"),
    "over the whole batch": (step_by(in_order, 4, whole=True), "each divided by the size of the whole batch"),
    "the rest dropped": (step_by(in_order, 4, rest=False), "Of 5 samples `update` steps along the gradient of the first 4 alone"),
}


@pytest.mark.parametrize(("step", "said"), WAYS.values(), ids=WAYS)
def test_the_size_of_a_mini_batch_is_told(step, said):
    told = tell_mini_batches(CLAIMS, step, RATE, seed=0)
    assert (told.fault, told.equation) == ("update-by-mini-batches", "update")
    assert said in told.explanation


def whole_batch(problem, rate):
    gradients = textbook.evaluate(problem).gradients
    return {name: problem.arrays[name] - rate * g for name, g in gradients.items()}


def test_a_right_step_is_told_nothing():
    assert tell_mini_batches(CLAIMS, whole_batch, RATE, seed=0) is None


def test_steps_that_differ_by_chance_are_told_so():
    generator = np.random.default_rng(2)

    def noisy(problem, rate):
        return {name: value + 1e-3 * generator.standard_normal(value.shape) for name, value in whole_batch(problem, rate).items()}

    told = explain_update(CLAIMS, noisy, seed=0)
    assert told.fault == "random-between-calls" and "by chance" in told.explanation


def test_an_update_that_moves_nothing_is_not_told_to_clip():
    told = explain_update(CLAIMS, step_by(in_order, 4, rest=False), seed=0)
    assert "clips" not in told.explanation
