"""Which function of an optional function's name is the contract's, and which a helper of the candidate's own."""

import pytest

from verifier import check
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.optional_functions import doubtful, helpers
from verifier.problems.optimizers import Rule

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
    assert helpers({name: parameters}, Claims()) == {}


@pytest.mark.parametrize(("name", "parameters"), [(name, one) for name, all_of in OWN.items() for one in all_of])
def test_what_takes_other_arguments_is_a_helper(name, parameters):
    assert list(helpers({name: parameters}, Claims())) == [name]


SAID = {
    "predict": (["weights", "biases", "x"], ["ws", "bs", "inputs", "activations="], ["thetas", "b", "data"]),
    "update": (["Ws", "bs", "X", "Y", "eta"], ["weights", "biases", "x", "y", "lr", "state="]),
}
UNSAID = {
    "forward": (["a", "v", "n"], ["W", "b", "X"], ["*"], ["net", "layers", "inp"]),
    "update": (["p", "q", "r", "s", "u"], ["w", "b", "x", "y", "lr"]),
}


@pytest.mark.parametrize(("name", "parameters"), [(name, one) for name, all_of in SAID.items() for one in all_of])
def test_a_plural_and_names_that_tell_are_meant_as_the_contracts(name, parameters):
    assert doubtful({name: parameters}, Claims()) == {}


@pytest.mark.parametrize(("name", "parameters"), [(name, one) for name, all_of in UNSAID.items() for one in all_of])
def test_names_that_do_not_tell_leave_it_to_the_answers(name, parameters):
    assert list(doubtful({name: parameters}, Claims())) == [name]


@pytest.mark.parametrize("parameters", [["params", "grads"], ["p", "q", "r", "s", "u"]])
def test_what_the_manifest_speaks_of_is_the_contracts(parameters):
    claims = Claims(optimizer=Rule("sgd"))
    assert helpers({"update": parameters}, claims) == doubtful({"update": parameters}, claims) == {}


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
    assert "helpers" not in report.summary

    assignment = tmp_path / "task.toml"
    assignment.write_text("")
    assigned = check(file, profile="quick", assignment=assignment)
    assert assigned.verdict == "pass"
    assert assigned.summary.endswith("Not judged, since taken for helpers of its own: `predict`, `forward`, `update`.")


def test_helpers_beside_code_that_only_steps_are_known_too(tmp_path):
    steps = """
def step(weights, biases, grads_w, grads_b, lr)"""
    whole = RIGHT.replace("\ndef update(weights, biases, grads_w, grads_b, lr)", steps).replace("def backprop(", "def _gradients(")
    file = tmp_path / "steps_alone.py"
    file.write_text(
        whole
        + """

def update(weights, biases, x, y, learning_rate):
    _, grads_w, grads_b = _gradients(weights, biases, x, y)
    return step(weights, biases, grads_w, grads_b, learning_rate)
"""
    )
    report = check(file, profile="quick")
    assert report.verdict == "pass", report.summary
    (note,) = [note.message for note in report.notes if "helpers" in note.message]
    assert "predict(x), forward(x, weights, biases)" in note and "update" not in note


def test_an_optional_function_that_raises_is_still_an_error(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text(RIGHT.replace("def predict(x):\n", "def predict(weights, biases, x):\n").replace("x.argmax(axis=1)", "missing"))
    report = check(file, profile="quick")
    assert (report.verdict, "predict" in report.summary) == ("error", True)


UNTOLD = """
def forward(a, v, n):
    return v.dot(a) + n


def predict(w, b, x):
    for v, n in zip(w, b):
        x = 1 / (1 + np.exp(-(x @ v.T + n)))
    return x.round()


def update(p, q, r, s, u):
    p -= r * q


def backprop"""


def test_helpers_whose_parameters_do_not_tell_are_known_by_their_answers(tmp_path):
    file = tmp_path / "untold.py"
    file.write_text(_without_helpers(UNTOLD))
    report = check(file, profile="quick")
    assert report.verdict == "pass", report.summary
    (note,) = [note.message for note in report.notes if "helpers" in note.message]
    for said in (
        "forward(a, v, n)",
        "predict(w, b, x)",
        "whole numbers",
        "update(p, q, r, s, u)",
        "does not answer as the contract's update",
    ):
        assert said in note
    assert [one.message for one in report.checks if one.id == "update"] == ["`update` is a helper of its own."]


def test_a_function_that_answers_as_the_contracts_is_judged_whatever_its_parameters_are_called(tmp_path):
    file = tmp_path / "wrong_predict.py"
    file.write_text(_without_helpers(UNTOLD).replace("return x.round()", "return 1.5 * x"))
    report = check(file, profile="quick")
    assert (report.verdict, [one.status for one in report.checks if one.id == "forward"]) == ("fail", ["fail"])


def _without_helpers(instead: str) -> str:
    """The right file with these functions in the place of its own, whose forward pass is called another name."""
    begin, end = RIGHT.index("def predict"), RIGHT.index("def backprop")
    text = RIGHT.replace("def forward(", "def activate(").replace(" forward(", " activate(")
    return text.replace(RIGHT[begin:end] + "def backprop", instead)
