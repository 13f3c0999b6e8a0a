"""The bound of an element and the comparison with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from verifier.tolerance import FLOOR, compare, element_tolerance, safety

POSITIVE = st.floats(1e-300, 1e300)


@pytest.mark.parametrize(("longest", "factor"), [(1, 32), (256, 32), (1_000, 63.2), (10_000, 200), (100_000, 632.5)])
def test_the_safety_grows_with_the_root_of_the_longest_sum(longest, factor):
    assert round(safety(longest), 1) == factor  # 63, 200, 632 as measured in long sums


@given(arrays(np.float64, array_shapes(max_dims=2), elements=st.floats(0, 1e300)), st.integers(1, 10**6))
def test_no_element_is_held_to_less_than_a_part_of_its_tensors_largest(scatter, longest):
    tolerance = element_tolerance(scatter, longest)
    assert tolerance.shape == scatter.shape
    assert np.all(tolerance >= safety(longest) * scatter)
    assert np.all(tolerance >= safety(longest) * (FLOOR * scatter.max()))
    assert tolerance.max() == safety(longest) * scatter.max()


def test_a_tensor_without_elements_has_no_tolerance_and_no_comparison():
    empty = np.zeros((0, 3))
    assert element_tolerance(empty, 1).shape == (0, 3)
    assert compare(empty, empty, empty) is None


def test_the_worst_element_is_the_one_of_largest_error_for_its_tolerance():
    claimed, reference = np.array([[1.0, 2.5], [3.0, 4.25]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    found = compare(claimed, reference, np.array([[1.0, 1.0], [1.0, 0.125]]))
    assert (found.index, found.error, found.tolerance, found.ratio) == ((1, 1), 0.25, 0.125, 2.0)
    assert (found.claimed, found.reference, found.resolves) == (4.25, 4.0, 0.25)
    assert not found.within


def test_an_error_of_exactly_the_tolerance_is_within_it_and_the_next_one_is_not():
    reference, tolerance = np.array([0.0]), np.array([0.5])
    assert compare(np.array([0.5]), reference, tolerance).within
    assert not compare(np.array([np.nextafter(0.5, 1)]), reference, tolerance).within


@pytest.mark.parametrize("claim", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("tolerance", [0.0, 1.0, np.inf])
def test_a_claim_that_is_not_finite_is_never_within_a_tolerance(claim, tolerance):
    found = compare(np.array([1.0, claim]), np.array([1.0, 1.0]), np.array([1.0, tolerance]))
    assert (found.ratio, found.index) == (np.inf, (1,))


def test_a_tolerance_that_is_not_a_number_excuses_nothing():
    assert not compare(np.array([1.5]), np.array([1.0]), np.array([np.nan])).within


def test_where_the_tolerance_is_zero_only_the_very_number_is_within():
    zero = np.zeros(1)
    assert compare(zero, zero, zero).within
    assert not compare(np.array([5e-324]), zero, zero).within


def test_a_single_number_is_compared_like_a_tensor():
    found = compare(np.asarray(1.0), np.asarray(1.5), np.asarray(0.25))
    assert (found.index, found.error, found.ratio) == ((), 0.5, 2.0)


@given(POSITIVE, POSITIVE, st.integers(-900, 900))
def test_a_power_of_two_on_everything_changes_no_ratio(error, tolerance, power):
    def ratio(scale: float) -> float:
        return compare(np.array([error * scale]), np.zeros(1), np.array([tolerance * scale])).ratio

    scale = 2.0**power
    scaled = (error * scale, tolerance * scale)
    if all(np.isfinite(scaled)) and min(scaled) > 1e-290:
        assert ratio(scale) == ratio(1.0)


@pytest.mark.parametrize(("right", "pass_"), [([0.5, -1.0], True), ([0.5, -1.5], False), ([-1.5, 0.5], False), ([2.0, 3.0], False)])
def test_zeros_pass_only_where_every_right_number_is_within_its_tolerance(right, pass_):
    comparison = compare(np.array(right), np.array(right), np.array([1.0, 1.0]))
    assert comparison.zeros_pass == pass_
