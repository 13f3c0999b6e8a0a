"""The seed's worked example through the builder and the textbook, its figures from mpmath at 50 digits; and what the print rounds."""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from verifier import textbook
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, build_problem
from verifier.oracles import autograd
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation

EPSILON = np.finfo(np.float64).eps
ORACLES = pytest.mark.parametrize("oracle", [textbook.evaluate, autograd.evaluate], ids=["textbook", "autograd"])


def worked_example(loss: str) -> Problem:
    """x = [1, 2], w = 0.5, 0.3, 0.8, y = 1, no bias, sigmoid everywhere."""
    claims = Claims(losses=(loss,), bias="none")
    arrays = {"weights[0]": np.array([[0.5, 0.3]]), "weights[1]": np.array([[0.8]]), "x": np.array([[1.0, 2.0]]), "y": np.array([[1.0]])}
    return build_problem(Architecture((2, 1, 1), ("sigmoid", "sigmoid"), loss, 1), arrays, claims)


def figures() -> dict[str, mpf]:
    """Every stage of the example with δ = -(y - ŷ) ŷ (1 - ŷ), that of ½(y - ŷ)²."""
    with mpmath.workdps(50):
        w1, w2, w3, x1, x2, y = (mpf(value) for value in (0.5, 0.3, 0.8, 1.0, 2.0, 1.0))

        def sigma(z: mpf) -> mpf:
            return 1 / (1 + mpmath.exp(-z))

        h = sigma(w1 * x1 + w2 * x2)
        z = w3 * h
        out = sigma(z)
        delta = -(y - out) * out * (1 - out)
        delta_h = delta * w3 * h * (1 - h)
        return {"h": h, "z": z, "ŷ": out, "L": (y - out) ** 2, "δ": delta, "∂w₃": delta * h, "∂w₁": delta_h * x1, "∂w₂": delta_h * x2}


def shown(evaluation: Evaluation) -> dict[str, float]:
    stages, gradients = evaluation.stages, evaluation.gradients
    return {
        "h": stages["activations[0]"].item(),
        "z": stages["pre_activations[1]"].item(),
        "ŷ": stages["activations[1]"].item(),
        "δ": stages["deltas[1]"].item(),
        "∂w₃": gradients["weights[1]"].item(),
        "∂w₁": gradients["weights[0]"][0, 0],
        "∂w₂": gradients["weights[0]"][0, 1],
    }


def test_the_figures_are_the_unrounded_ones_of_the_worked_example():
    rounded = {name: mpmath.nstr(value, 7) for name, value in figures().items()}
    assert rounded == {
        "h": "0.7502601",
        "z": "0.6002081",
        "ŷ": "0.6457039",
        "L": "0.1255257",
        "δ": "-0.08105245",
        "∂w₃": "-0.06081042",
        "∂w₁": "-0.01214943",
        "∂w₂": "-0.02429886",
    }


@ORACLES
@pytest.mark.parametrize(("loss", "factor"), [("half_squared_error", 1), ("squared_error", 2)])
def test_the_worked_example_is_the_gradient_of_half_the_squared_error(oracle, loss, factor):
    evaluation, right = oracle(worked_example(loss)), figures()
    for name, value in shown(evaluation).items():
        exact = right[name] * (factor if name[0] in "δ∂" else 1)
        assert abs(value - float(exact)) <= 8 * EPSILON * abs(float(exact)), name  # no step cancels; at most 8 roundings a figure
    assert abs(evaluation.loss - float(right["L"]) * factor / 2) <= 8 * EPSILON * evaluation.loss


@ORACLES
def test_a_step_with_the_half_gradient_gives_the_printed_weights(oracle):
    gradients = oracle(worked_example("half_squared_error")).gradients
    (first, second), last = gradients["weights[0]"][0], gradients["weights[1]"].item()
    stepped = [0.5 - 0.1 * first, 0.3 - 0.1 * second, 0.8 - 0.1 * last]
    assert [round(weight, 3) for weight in stepped] == [0.501, 0.302, 0.806]
    assert [round(weight, 5) for weight in stepped] == [0.50121, 0.30243, 0.80608]


@ORACLES
def test_the_stages_come_with_their_deltas_and_the_gradients_with_their_names(oracle):
    evaluation = oracle(worked_example("squared_error"))
    assert list(evaluation.gradients) == ["weights[0]", "weights[1]"]
    assert set(evaluation.stages) == {f"{kind}[{layer}]" for kind in ("pre_activations", "activations", "deltas") for layer in (0, 1)}
    assert evaluation.outputs.tolist() == evaluation.stages["activations[1]"].tolist()


@ORACLES
def test_two_samples_of_a_linear_layer_worked_by_hand(oracle):
    # z = W a + b = [[3.5], [-0.5]]; ŷ = z; losses 2.5², 1.5²; mean 4.25; δ = 2 (ŷ - y) / 2 = 2.5, -1.5
    claims = Claims(activations=("identity",), output_activations=("identity",))
    x, y = np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([[1.0], [1.0]])
    arrays = {"weights[0]": np.array([[1.0, 2.0]]), "biases[0]": np.array([0.5]), "x": x, "y": y}
    evaluation = oracle(build_problem(Architecture((2, 1), ("identity",), "squared_error", 2), arrays, claims))
    assert evaluation.loss == 4.25
    assert evaluation.stages["deltas[0]"].tolist() == [[2.5], [-1.5]]
    assert evaluation.gradients["weights[0]"].tolist() == [[1.0, 4.0]]
    assert evaluation.gradients["biases[0]"].tolist() == [1.0]
