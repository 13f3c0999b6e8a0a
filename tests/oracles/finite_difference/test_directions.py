"""Directions: keyed by name, never cancelling, alike in what they contribute; the trust region."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.oracles.finite_difference.directions import (
    block_scales,
    combined_direction,
    direction_for,
    first_step,
    gradient_direction,
)


def test_entries_have_both_signs_and_magnitudes_between_a_half_and_one():
    direction = direction_for(1, 2, "weights[0]", (40, 30))
    assert direction.shape == (40, 30)
    assert np.abs(direction).min() >= 0.5
    assert np.abs(direction).max() <= 1
    assert 500 < (direction > 0).sum() < 700


def test_a_direction_depends_on_seed_problem_and_name_alone():
    base = direction_for(1, 2, "weights[0]", (3,)).tolist()
    assert direction_for(1, 2, "weights[0]", (3,)).tolist() == base
    others = [direction_for(2, 2, "weights[0]", (3,)), direction_for(1, 3, "weights[0]", (3,)), direction_for(1, 2, "biases[0]", (3,))]
    assert all(other.tolist() != base for other in others)
    alone = combined_direction({"a": np.ones(3)}, 1, 2)["a"]
    assert combined_direction({"a": np.ones(3), "b": np.ones(3)}, 1, 2)["a"].tolist() == alone.tolist()


def test_antisymmetric_errors_never_cancel():
    error = np.array([[0.0, 1.0], [-1.0, 0.0]])
    projections = [abs(float((error * direction_for(1, index, "w", (2, 2))).sum())) for index in range(2000)]
    assert min(projections) > 1e-5


def test_blocks_contribute_alike_and_the_largest_scale_is_one():
    gradients = {"large": np.full((4, 4), 3e3), "small": np.full(5, 1e-3), "zero": np.zeros(2)}
    scales = block_scales(gradients)
    contributions = [scales[name] * float(np.linalg.norm(gradients[name])) for name in ("large", "small")]
    assert 0.5 <= contributions[0] / contributions[1] <= 2
    assert max(scales.values()) == 1
    assert scales["large"] < scales["zero"] < scales["small"]
    assert all(np.log2(scale).is_integer() for scale in scales.values())


def test_one_vanishing_gradient_does_not_shrink_the_others():
    scales = block_scales({"a": np.ones(3), "b": np.ones(3), "c": np.full(3, 1e-200)})
    assert scales["a"] == scales["b"] == 2.0**-12


def test_all_zero_gradients_have_equal_scales():
    assert block_scales({"a": np.zeros(3), "b": np.zeros((2, 2))}) == {"a": 1.0, "b": 1.0}


def test_the_gradient_direction_points_along_every_live_gradient():
    direction = gradient_direction({"a": np.array([1.0, -2.0]), "b": np.zeros(3)})
    assert list(direction) == ["a"]
    assert direction["a"].tolist() == [0.5, -1.0]


@given(limit=st.floats(2.0**-29, 15.9))
def test_the_first_step_is_the_largest_power_of_two_within_the_trust_region(limit):
    first = first_step(lambda step: (step / limit, False))
    assert first is not None
    assert first <= limit < 2 * first


@pytest.mark.parametrize("kink", [0.3, 1e-5])
def test_the_first_step_stays_before_a_kink(kink):
    first = first_step(lambda step: (0.0, step > kink))
    assert first is not None
    assert first <= kink < 2 * first


def test_on_a_kink_there_is_no_first_step():
    assert first_step(lambda step: (0.0, True)) is None
    assert first_step(lambda step: (float("nan"), False)) is None


def test_where_nothing_moves_the_step_stays_within_the_scale_of_the_problem():
    assert first_step(lambda step: (0.0, False)) == 16
