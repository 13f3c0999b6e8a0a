"""Running sums of equal terms drift: right code stays within the tolerance there too, and what is drawn loses no power by it."""

import numpy as np
import pytest

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, array_shapes, build_problem
from verifier.oracles.reference import refer
from verifier.problems.program import Problem, longest_sum

CLAIMS = Claims(activations=("identity",), output_activations=("identity",), losses=("half_squared_error",), reduction="sum")


def linear(batch: int, width: int, dtype: str, *, equal: bool) -> Problem:
    generator = np.random.default_rng([batch, width])
    architecture = Architecture((width, 2), ("identity",), "half_squared_error", batch, dtype)
    arrays = {name: generator.standard_normal(shape) for name, shape in array_shapes(architecture, CLAIMS).items()}
    if equal:
        arrays = {name: np.broadcast_to(array[:1], array.shape) if name in "xy" else array for name, array in arrays.items()}
        arrays = {
            name: np.broadcast_to(array[..., :1], array.shape) if name in ("x", "weights[0]") else array for name, array in arrays.items()
        }
    return build_problem(architecture, {name: array.astype(dtype) for name, array in arrays.items()}, CLAIMS)


def running_sum(terms: np.ndarray) -> np.ndarray:
    """Over the first axis, one after another, in the terms' type: as a loop over samples adds up."""
    return np.cumsum(terms, axis=0, dtype=terms.dtype)[-1]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch", [64, 256, 1_000, 10_000])
def test_a_loop_over_equal_samples_is_within_the_tolerance(batch, dtype):
    problem = linear(batch, 3, dtype, equal=True)
    reference = refer(problem)
    w, b, x, y = (problem.arrays[name] for name in ("weights[0]", "biases[0]", "x", "y"))
    delta = x @ w.T + b - y
    claimed = running_sum(delta[:, :, None] * x[:, None, :])
    assert np.all(np.abs(claimed - reference.gradients["weights[0]"]) <= reference.gradient_tolerance("weights[0]"))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("width", [256, 10_000])
def test_a_loop_over_equal_inputs_is_within_the_tolerance(width, dtype):
    problem = linear(2, width, dtype, equal=True)
    reference = refer(problem)
    w, b, x = (problem.arrays[name] for name in ("weights[0]", "biases[0]", "x"))
    claimed = running_sum(np.swapaxes(x[:, None, :] * w, 0, 2)).T + b
    assert np.all(np.abs(claimed - reference.stages["pre_activations[0]"]) <= reference.stage_tolerance("pre_activations[0]"))


@pytest.mark.parametrize(("batch", "width", "counted"), [(8, 16, 16), (1_000, 3, 1_000), (2, 5_000, 5_000)])
def test_a_sum_of_different_terms_counts_by_its_length(batch, width, counted):
    assert longest_sum(linear(batch, width, "float64", equal=False)) == counted


def test_equal_terms_count_by_their_square_from_sixteen_on():
    assert longest_sum(linear(16, 3, "float64", equal=True)) == 16
    assert longest_sum(linear(256, 3, "float64", equal=True)) == 256**2 // 16


def test_a_layer_of_zeros_adds_nothing_and_counts_by_its_length():
    problem = linear(2, 500, "float64", equal=False)
    problem.arrays["weights[0]"][:] = 0.0
    assert longest_sum(problem) == 500
