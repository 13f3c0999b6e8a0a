"""Whether a difference between two computations is rounding: how far the inputs are moved for that, and what counts as the same point."""

import numpy as np
import pytest

from verifier.oracles.functions.rounding import compare_by_jitter

EPSILON = 2.0**-52
X = np.random.default_rng(0).uniform(1, 2, size=50)


def compared(claimed, right, x):
    """The comparison of claimed(x) with right(x), and all points at which the two were asked."""
    asked = []

    def ask(inputs):
        asked.append(inputs["x"])
        return {"x": claimed(inputs["x"])}, {"x": right(inputs["x"])}

    same = lambda inputs: (inputs["x"], inputs["x"])  # noqa: E731  # whose gradients these are: nothing stands still
    pair = {"x": claimed(x)}, {"x": right(x)}
    found = compare_by_jitter(pair, ask, same, {"x": x}, lambda inputs: inputs, epsilon=EPSILON, floors={})
    return found["x"], asked


def test_inputs_are_moved_by_four_of_their_last_bits_at_most_and_to_both_sides():
    _, asked = compared(lambda x: x**2, lambda x: x**2, X)
    moves = np.array([points / X - 1 for points in asked]) / EPSILON
    assert np.abs(moves).max() <= 4 + 1  # and the rounding of the product
    assert moves.max() >= 3 and moves.min() <= -3


@pytest.mark.parametrize(("changed", "is_rounding"), [(0.05, True), (0.22, True), (0.3, False)])
def test_a_difference_is_rounding_where_it_turns_before_the_right_gradient_is_another_one(changed, is_rounding):
    """It turns where inputs move by 2^13 last bits, the right gradient by at most so much over the moves of up to 2^14 that are asked."""
    _, asked = compared(lambda x: x + 1e-3, lambda x: x, X[:1])
    furthest = np.abs(np.array([points / X[:1] - 1 for points in asked])).max()

    def right(x):
        return np.exp(np.log(1 - changed) * np.abs(x / X[:1] - 1) / furthest)

    def claimed(x):
        return right(x) + np.where(np.abs(x / X[:1] - 1) > 0.99 * furthest, -1e-3, 1e-3)

    assert compared(claimed, right, X[:1])[0].within == is_rounding
