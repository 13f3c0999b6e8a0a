"""Which function of an optional function's name is the contract's, and which a helper of the candidate's own."""

import pytest

from verifier import check
from verifier.contracts.mlp.optional_functions import helpers

MEANT = {
    "predict": (
        ["weights", "biases", "x"],
        ["weights", "biases", "x", "activations"],
        ["W", "b", "X"],
        ["ws", "bs", "inputs", "activations="],
        ["self_", "b", "a"],
        ["*"],
    ),
    "forward": (["weights", "biases", "x"], ["params", "bias", "batch_of_x"], ["theta", "b", "data"]),
    "deltas": (["weights", "biases", "x", "y"], ["W", "b", "x", "t"], ["w", "b", "X", "labels", "activations", "loss"]),
    "update": (["weights", "biases", "x", "y", "learning_rate"], ["W", "b", "X", "Y", "eta"], ["w", "b", "x", "y", "lr", "state="]),
}
OWN = {
    "predict": (["x"], ["x", "weights", "biases"], ["params", "x"], [], ["weights", "x", "biases"]),
    "forward": (["x", "weights", "biases"], ["inputs", "values", "L"], ["x", "params"], ["weights", "biases", "x", "y"]),
    "deltas": (["outputs", "y"], ["y", "outputs"], ["weights", "delta", "z", "y"]),
    "update": (["params", "grads", "lr="], ["weights", "biases", "grad_w", "grad_b", "lr"], ["w", "b", "dW", "db", "eta"], ["w", "dw"]),
}


@pytest.mark.parametrize(("name", "parameters"), [(name, one) for name, all_of in MEANT.items() for one in all_of])
def test_what_takes_the_arguments_of_the_contract_is_the_contracts(name, parameters):
    assert helpers({name: parameters}) == {}


@pytest.mark.parametrize(("name", "parameters"), [(name, one) for name, all_of in OWN.items() for one in all_of])
def test_what_takes_other_arguments_is_a_helper(name, parameters):
    assert list(helpers({name: parameters})) == [name]


RIGHT = """
import numpy as np


def forward(x, weights, biases):
    activations = [x]
    for w, b in zip(weights, biases):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ w.T + b))))
    return activations


def predict(x):
    return x.argmax(axis=1)


def update(weights, biases, grads_w, grads_b, lr):
    return [w - lr * g for w, g in zip(weights, grads_w)], [b - lr * g for b, g in zip(biases, grads_b)]


def backprop(weights, biases, x, y):
    activations = forward(x, weights, biases)
    delta = 2 * (activations[-1] - y) * activations[-1] * (1 - activations[-1]) / len(x)
    loss = ((activations[-1] - y) ** 2).sum() / len(x)
    grads_w, grads_b = [], []
    for w, a in zip(reversed(weights), reversed(activations[:-1])):
        grads_w.insert(0, delta.T @ a)
        grads_b.insert(0, delta.sum(axis=0))
        delta = delta @ w * a * (1 - a)
    return loss, grads_w, grads_b
"""


def test_a_right_file_with_helpers_of_these_names_passes_and_says_that_they_are_not_judged(tmp_path):
    file = tmp_path / "own_helpers.py"
    file.write_text(RIGHT)
    report = check(file, profile="quick")
    assert report.verdict == "pass", report.summary
    (note,) = [note.message for note in report.notes if "helpers" in note.message]
    assert "predict(x), forward(x, weights, biases), update(weights, biases, grads_w, grads_b, lr)" in note


def test_an_optional_function_that_raises_is_still_an_error(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text(RIGHT.replace("def predict(x):\n", "def predict(weights, biases, x):\n").replace("x.argmax(axis=1)", "missing"))
    report = check(file, profile="quick")
    assert (report.verdict, "predict" in report.summary) == ("error", True)
