"""PyTorch's evaluation of whole networks against mpmath: the same network at 50 digits, differentiated by its closed forms."""

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.oracles import autograd
from verifier.oracles.reference import refer
from verifier.problems.program import Problem
from verifier.tolerance import SAFETY

Matrix = list[list[mpf]]


def exact(array: np.ndarray) -> Matrix:
    return [[mpf(float(entry)) for entry in row] for row in np.atleast_2d(array)]


ACTIVATIONS = {
    "sigmoid": (lambda z: 1 / (1 + mpmath.exp(-z)), lambda z: 1 / (2 + mpmath.exp(-z) + mpmath.exp(z))),
    "tanh": (mpmath.tanh, lambda z: mpmath.sech(z) ** 2),
    "softplus": (lambda z: mpmath.log1p(mpmath.exp(z)), lambda z: 1 / (1 + mpmath.exp(-z))),
    "relu": (lambda z: max(z, mpf(0)), lambda z: mpf(z > 0)),
    "identity": (lambda z: z, lambda z: mpf(1)),
}


def loss_and_gradients(problem: Problem) -> tuple[mpf, dict[str, Matrix]]:
    """Mean squared error, or cross-entropy of a softmax, of a network, sample by sample at 50 digits."""
    network, arrays = architecture_of(problem), {name: exact(array) for name, array in problem.arrays.items()}
    batch, layers = network.batch, network.layers
    loss, gradients = mpf(0), {name: [[mpf(0)] * len(row) for row in arrays[name]] for name in problem.program.differentiate}
    for x, y in zip(arrays["x"], arrays["y"], strict=True):
        activations, slopes = [x], []
        for layer, kind in enumerate(network.activations):
            w, b = arrays[f"weights[{layer}]"], arrays[f"biases[{layer}]"][0]
            z = [sum(p * q for p, q in zip(row, activations[-1], strict=True)) + bias for row, bias in zip(w, b, strict=True)]
            if kind == "softmax":
                powers = [mpmath.exp(entry) for entry in z]
                activations.append([power / sum(powers) for power in powers])
                continue
            function, slope = ACTIVATIONS[kind]
            activations.append([function(entry) for entry in z])
            slopes.append([slope(entry) for entry in z])
        out = activations[-1]
        if network.loss == "cross_entropy":
            loss -= sum(t * mpmath.log(p) for t, p in zip(y, out, strict=True)) / batch
            delta = [(p - t) / batch for p, t in zip(out, y, strict=True)]
        else:
            loss += sum((p - t) ** 2 for p, t in zip(out, y, strict=True)) / batch
            delta = [2 * (p - t) * s / batch for p, t, s in zip(out, y, slopes[-1], strict=True)]
        for layer in reversed(range(layers)):
            for i, d in enumerate(delta):
                gradients[f"biases[{layer}]"][0][i] += d
                for j, a in enumerate(activations[layer]):
                    gradients[f"weights[{layer}]"][i][j] += d * a
            if layer:
                w = arrays[f"weights[{layer}]"]
                delta = [sum(d * row[j] for d, row in zip(delta, w, strict=True)) * slopes[layer - 1][j] for j in range(len(w[0]))]
    return loss, gradients


NETWORKS = [
    ((3, 4, 2), ("tanh", "sigmoid"), "squared_error"),
    ((2, 3, 3, 1), ("softplus", "tanh", "identity"), "squared_error"),
    ((4, 3, 5), ("relu", "softplus"), "squared_error"),
    ((3, 4, 3), ("tanh", "softmax"), "cross_entropy"),
    ((2, 2, 2, 2), ("sigmoid", "sigmoid", "softmax"), "cross_entropy"),
]


@pytest.mark.parametrize("weights", ["ordinary", "tiny", "saturating"])
@pytest.mark.parametrize(("widths", "activations", "loss"), NETWORKS)
def test_loss_and_gradients_of_a_network_are_those_of_50_digits(widths, activations, loss, weights):
    claims = Claims(activations=("tanh",), output_activations=(activations[-1],), losses=(loss,))
    problem = draw_problem(Architecture(widths, activations, loss, 3), Recipe(weights=weights), claims, seed=5, index=len(widths))
    reference = refer(problem, autograd.evaluate)
    with mpmath.workdps(50):
        right_loss, right = loss_and_gradients(problem)
    # The reference itself may use up a part of the tolerance only: right code needs 13 of the 32, the reference is left 8.
    share = 8 / SAFETY
    assert abs(reference.loss - float(right_loss)) <= share * reference.loss_tolerance()
    for name, gradient in reference.gradients.items():
        expected = np.array(right[name], dtype=np.float64).reshape(gradient.shape)
        assert np.all(np.abs(gradient - expected) <= share * reference.gradient_tolerance(name)), name


def test_float32_problems_are_evaluated_in_float64():
    claims = Claims(activations=("tanh",))
    single = draw_problem(Architecture((3, 2), ("tanh",), "squared_error", 2, "float32"), Recipe(), claims, seed=1, index=1)
    double = Problem(
        single.program, {n: a.astype(np.float64) for n, a in single.arrays.items()}, "float64", "mlp", single.choices, single.description
    )
    of_single, of_double = autograd.evaluate(single), autograd.evaluate(double)
    assert of_single.loss == of_double.loss
    assert all(gradient.dtype == np.float64 for gradient in of_single.gradients.values())
    assert all(np.array_equal(of_single.gradients[name], of_double.gradients[name]) for name in of_double.gradients)


def test_an_evaluation_changes_no_array_of_the_problem():
    problem = draw_problem(Architecture((3, 4, 2), ("relu", "relu"), "squared_error", 2), Recipe(), Claims(), seed=1, index=1)
    before = {name: array.tobytes() for name, array in problem.arrays.items()}
    autograd.evaluate(problem)
    assert {name: array.tobytes() for name, array in problem.arrays.items()} == before


def test_the_last_bits_do_not_depend_on_how_many_threads_pytorch_has():
    claims = Claims(activations=("leaky_relu",), losses=("squared_error",))
    before = torch.get_num_threads()
    try:
        for index in range(20):
            network = Architecture((19, 29, 25 + index), ("leaky_relu", "leaky_relu"), "squared_error", 6)
            problem = draw_problem(network, Recipe(), claims, seed=1, index=index)
            found = []
            for threads in (1, 2):
                torch.set_num_threads(threads)
                found.append({name: gradient.tobytes() for name, gradient in autograd.evaluate(problem).gradients.items()})
                assert torch.get_num_threads() == threads
            assert found[0] == found[1]
    finally:
        torch.set_num_threads(before)
