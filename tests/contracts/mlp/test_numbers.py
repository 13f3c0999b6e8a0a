"""The numbers of a network: by seed and index, as the recipe says, within the ordinary range, targets as claimed."""

from dataclasses import replace

import numpy as np
import pytest

from verifier import textbook
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe, draw_problem, is_ordinary, range_of
from verifier.problems.program import Problem

CLAIMS = Claims(activations=("tanh",))
NETWORK = Architecture((3, 5, 4), ("tanh", "tanh"), "squared_error", 6)


ORDINARY = Recipe()


def draw(recipe: Recipe = ORDINARY, claims: Claims = CLAIMS, *, dtype: str = "float64", **numbers: int) -> Problem:
    """A problem by seed 1, index 0, attempt 0, but for the numbers given."""
    return draw_problem(replace(NETWORK, dtype=dtype), recipe, claims, **{"seed": 1, "index": 0, **numbers})


def same(left: Problem, right: Problem) -> bool:
    return all(left.arrays[name].tobytes() == right.arrays[name].tobytes() for name in left.arrays)


def test_seed_index_and_attempt_decide_every_bit_and_each_matters():
    assert same(draw(index=3), draw(index=3))
    assert not same(draw(index=3), draw(index=4))
    assert not same(draw(seed=1), draw(seed=2))
    assert not same(draw(attempt=0), draw(attempt=1))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weights", ["ordinary", "zero", "tiny", "saturating"])
@pytest.mark.parametrize("inputs", ["ordinary", "equal", "zero", "large"])
def test_all_but_the_extreme_recipe_are_ordinary_in_either_dtype(dtype, weights, inputs):
    for index in range(10):
        problem = draw(Recipe(weights, inputs), dtype=dtype, index=index)
        assert {array.dtype for array in problem.arrays.values()} == {np.dtype(dtype)}
        stages = textbook.evaluate(problem).stages
        assert is_ordinary(problem, stages)
        for layer in range(2):
            assert np.max(np.abs(stages[f"pre_activations[{layer}]"])) <= {"float64": 30, "float32": 15}[dtype]


@pytest.mark.parametrize(
    ("output", "loss", "dtype", "bound"),
    [
        ("sigmoid", "binary_cross_entropy", "float64", 15.0),
        ("sigmoid", "binary_cross_entropy", "float32", 8.0),
        ("softmax", "cross_entropy", "float64", 7.5),  # whose logarithms see the difference of two logits
        ("softmax", "cross_entropy", "float32", 4.0),
    ],
)
def test_under_a_logarithm_the_last_layer_is_held_to_a_smaller_range(output, loss, dtype, bound):
    claims = Claims(activations=("tanh",), output_activations=(output,), losses=(loss,))
    network = Architecture((3, 5, 4), ("tanh", output), loss, 6, dtype)
    assert (range_of(network, 0), range_of(network, 1)) == ({"float64": 30.0, "float32": 15.0}[dtype], bound)
    largest = [
        np.max(np.abs(textbook.evaluate(draw_problem(network, Recipe("saturating"), claims, seed=1, index=i)).stages["pre_activations[1]"]))
        for i in range(30)
    ]
    assert 0.9 * bound <= max(largest) <= bound  # saturating networks reach the range's end


def test_the_extreme_recipe_goes_beyond_the_range():
    problems = [draw(Recipe(weights="extreme"), index=index) for index in range(10)]
    assert not any(is_ordinary(problem, textbook.evaluate(problem).stages) for problem in problems)


def test_a_recipe_does_what_it_says():
    ordinary = draw()
    zero = draw(Recipe(weights="zero"))
    assert sum(not zero.arrays[f"weights[{layer}]"].any() for layer in range(2)) == 1
    assert all(zero.arrays[f"biases[{layer}]"].any() for layer in range(2))
    tiny = draw(Recipe(weights="tiny"))
    assert np.array_equal(tiny.arrays["weights[0]"] * 2.0**10, ordinary.arrays["weights[0]"])
    equal = draw(Recipe(inputs="equal")).arrays["x"]
    assert np.all(equal == equal[0]) and equal.any()
    zeros = draw(Recipe(inputs="zero")).arrays["x"]
    assert [row.any() for row in zeros].count(False) == 1
    assert np.array_equal(draw(Recipe(inputs="large")).arrays["x"], 100 * ordinary.arrays["x"])
    assert np.max(np.abs(draw(Recipe(targets="extreme")).arrays["y"])) > 500 > np.max(np.abs(ordinary.arrays["y"]))


def test_samples_repeat_with_their_targets():
    repeated, alike = (draw(Recipe(samples=samples)).arrays for samples in ("repeated", "alike"))
    for name in ("x", "y"):
        assert np.array_equal(repeated[name][0], repeated[name][-1]) and not np.array_equal(repeated[name][0], repeated[name][1])
        assert np.all(alike[name] == alike[name][0])


def test_twin_units_have_equal_weights_and_biases_in_hidden_layers_alone():
    twins = draw(Recipe(weights="twins")).arrays
    assert np.array_equal(twins["weights[0]"][-1], twins["weights[0]"][-2]) and twins["biases[0]"][-1] == twins["biases[0]"][-2]
    assert not np.array_equal(twins["weights[1]"][-1], twins["weights[1]"][-2])
    assert len(np.unique(twins["weights[0]"], axis=0)) == len(np.unique(twins["biases[0]"])) == 4  # all but one of the five are their own


def targets(kind: str | None, loss: str, output: str, recipe: str = "ordinary", dtype: str = "float64") -> np.ndarray:
    claims = Claims(output_activations=(output,), losses=(loss,), targets=kind)
    network = Architecture((3, 5), (output,), loss, 64, dtype)
    return draw_problem(network, Recipe(targets=recipe), claims, seed=1, index=1).arrays["y"]  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("loss", "output"), [("cross_entropy", "softmax"), ("softmax_cross_entropy", "identity")])
def test_probabilities_under_a_softmax_loss_sum_to_exactly_1_in_any_order(loss, output, dtype):
    y = targets(None, loss, output, dtype=dtype)
    assert np.all(y > 0)
    assert len(np.unique(y)) > 100
    for order in (slice(None), slice(None, None, -1)):
        assert np.add.reduce(y[:, order], axis=1, dtype=dtype).tolist() == [1.0] * 64
        assert np.cumsum(y[:, order], axis=1)[:, -1].tolist() == [1.0] * 64


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_targets_of_a_binary_cross_entropy_lie_between_0_and_1(output):
    drawn, extreme = targets(None, "binary_cross_entropy", output), targets(None, "binary_cross_entropy", output, "extreme")
    assert np.all((drawn > 0) & (drawn < 1))
    assert np.unique(extreme).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("kind", "loss", "output"),
    [
        ("one_hot", "squared_error", "sigmoid"),
        ("one_hot", "cross_entropy", "softmax"),
        ("one_hot", "binary_cross_entropy", "sigmoid"),
        ("binary", "cross_entropy", "softmax"),
        ("binary", "softmax_cross_entropy", "identity"),
    ],
)
def test_one_hot_targets_have_a_single_one_and_it_moves(kind, loss, output):
    y = targets(kind, loss, output)
    assert np.unique(y).tolist() == [0.0, 1.0]
    assert y.sum(axis=1).tolist() == [1.0] * 64
    assert set(y.argmax(axis=1).tolist()) == {0, 1, 2, 3, 4}


def test_extreme_targets_of_a_cross_entropy_are_one_hot():
    assert targets(None, "cross_entropy", "softmax", "extreme").max(axis=1).tolist() == [1.0] * 64


def test_binary_and_probability_targets_of_a_squared_error():
    assert np.unique(targets("binary", "squared_error", "sigmoid")).tolist() == [0.0, 1.0]
    drawn = targets("probability", "squared_error", "sigmoid")
    assert np.all((drawn > 0) & (drawn < 1))


def test_a_network_without_biases_is_drawn_and_held_to_its_range():
    claims = replace(CLAIMS, bias="none")
    problem = draw(Recipe("saturating", "large"), claims)
    assert set(problem.arrays) == {"weights[0]", "weights[1]", "x", "y"}
    assert is_ordinary(problem, textbook.evaluate(problem).stages)
