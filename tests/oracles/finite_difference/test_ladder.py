"""The slope along a line: closed forms against 50 digits, noise, plateaus, kinks, values that are not finite."""

from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.oracles.finite_difference.ladder import (
    KAPPA,
    Slope,
    estimate_slope,
    ladder_steps,
)
from verifier.oracles.finite_difference.noise import noise_by_step

EPSILON = 2.0**-52


@dataclass(frozen=True)
class Smooth:
    """A function as a candidate would write it, the same in 50 digits, and how rounding moves its value (in units of ε)."""

    name: str
    value: Callable[[np.ndarray], np.ndarray]
    exact: Callable[[mpmath.mpf], mpmath.mpf]
    scatter: Callable[[float], float]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


SMOOTH = (
    Smooth("sigmoid", sigmoid, lambda z: 1 / (1 + mpmath.exp(-z)), lambda z: (1 + abs(z)) * 1.0),
    Smooth("tanh", np.tanh, mpmath.tanh, lambda z: 1 + abs(z)),
    Smooth("softplus", lambda z: np.log(1 + np.exp(z)), lambda z: mpmath.log(1 + mpmath.exp(z)), lambda z: 2 + abs(z)),
    Smooth("-log p", lambda z: -np.log(sigmoid(z)), lambda z: mpmath.log(1 + mpmath.exp(-z)), lambda z: 2 + abs(z) + max(0.0, -z)),
    Smooth(
        "squared error, offset",
        lambda z: (sigmoid(z) - 3) ** 2 + 1e4,
        lambda z: (1 / (1 + mpmath.exp(-z)) - 3) ** 2 + 10000,
        lambda z: 1e4 + 20 + abs(z),
    ),
    Smooth(
        "product",
        lambda z: np.tanh(z) * sigmoid(2 * z) - np.sin(z),
        lambda z: mpmath.tanh(z) / (1 + mpmath.exp(-2 * z)) - mpmath.sin(z),
        lambda z: 4 + 4 * abs(z),
    ),
)


def slope_of(function: Smooth, at: float, weight: float, first: float) -> tuple[Slope, float]:
    """The estimate for function(at + weight·t) at t = 0, and the derivative to 50 digits."""
    steps = ladder_steps(first, np.float64)
    losses = function.value(at + weight * np.stack([-steps, steps], axis=1))
    center = float(function.value(np.float64(at)))
    noise = max(EPSILON * abs(center), 4 * EPSILON * function.scatter(at))
    slope = estimate_slope(losses, steps, center=center, noise=noise_by_step(losses, center=center, noise=noise))
    with mpmath.workdps(50):
        truth = mpmath.mpf(weight) * mpmath.diff(function.exact, mpmath.mpf(at))
    return slope, float(truth)


@given(
    function=st.sampled_from(SMOOTH),
    at=st.floats(-15, 15),
    exponent=st.integers(-8, 3),
    share=st.floats(0.5, 1.0),
    sign=st.sampled_from([-1, 1]),
)
@settings(max_examples=300, deadline=None)
def test_the_true_error_stays_below_the_tolerance(function, at, exponent, share, sign):
    first = 2.0**exponent
    slope, truth = slope_of(function, at, sign * share / first, first)  # the argument moves by at most 1, as in the trust region
    assert abs(slope.value - truth) <= KAPPA * slope.error_bound


def test_the_bound_itself_nearly_always_holds():
    generator = np.random.default_rng(5)
    above = worst = 0.0
    for _ in range(600):
        function = SMOOTH[generator.integers(len(SMOOTH))]
        slope, truth = slope_of(function, float(generator.uniform(-15, 15)), float(generator.uniform(-1, 1)), 1.0)
        ratio = abs(slope.value - truth) / slope.error_bound
        above += ratio > 1
        worst = max(worst, ratio)
    assert above <= 6
    assert worst < KAPPA / 2


def test_a_smooth_slope_is_resolved_far_below_the_plain_difference():
    slope, truth = slope_of(SMOOTH[0], 0.3, 1.0, 1.0)
    assert KAPPA * slope.error_bound < 1e-9
    assert slope.value == pytest.approx(truth, abs=KAPPA * slope.error_bound)


def test_on_a_plateau_of_the_loss_rounding_the_bound_covers_the_slope_that_cannot_be_seen():
    slope, truth = slope_of(SMOOTH[3], 36.0, 0.01, 1.0)  # -log p with p = 1 - 2e-16: the losses are whole ulps of 1
    assert truth != 0
    assert abs(slope.value - truth) <= KAPPA * slope.error_bound


@given(distance=st.floats(-13, 0.5), jump=st.floats(0.01, 10), side=st.sampled_from([-1, 1]), curvature=st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_a_kink_off_the_middle_is_never_believed(distance, jump, side, curvature):
    steps = ladder_steps(1.0, np.float64)
    at = side * 2.0**distance

    def bent(t):
        return 3 + 0.5 * t + curvature * np.sin(t) + jump * np.maximum(0, side * (t - at))

    slope = estimate_slope(bent(np.stack([-steps, steps], axis=1)), steps, center=float(bent(np.float64(0))), noise=4 * EPSILON * 5)
    assert abs(slope.value - (0.5 + curvature)) <= KAPPA * slope.error_bound


@given(seed=st.integers(0, 2**32 - 1), level=st.sampled_from([1e-14, 1e-10, 1e-6, 1e-3]))
@settings(max_examples=200, deadline=None)
def test_noise_of_any_size_is_covered_once_it_is_known(seed, level):
    generator = np.random.default_rng(seed)
    steps = ladder_steps(0.5, np.float64)
    t = np.stack([-steps, steps], axis=1)
    losses = np.tanh(0.4 + t) + level * generator.uniform(-1, 1, size=t.shape)
    center = float(np.tanh(0.4) + level * generator.uniform(-1, 1))
    slope = estimate_slope(losses, steps, center=center, noise=level)
    assert abs(slope.value - (1 - np.tanh(0.4) ** 2)) <= KAPPA * slope.error_bound


def test_steps_at_and_beyond_a_value_that_is_not_finite_are_left_out():
    steps = ladder_steps(1.0, np.float64)
    losses = np.exp(np.stack([-steps, steps], axis=1))
    losses[1, 1] = np.inf
    slope = estimate_slope(losses, steps, center=1.0, noise=EPSILON)
    assert slope.steps == tuple(steps[2:])
    assert abs(slope.value - 1) <= KAPPA * slope.error_bound < 1e-8


@pytest.mark.parametrize("finite", [0, 1])
def test_with_fewer_than_two_finite_steps_nothing_is_estimated(finite):
    steps = ladder_steps(1.0, np.float64)
    losses = np.full((7, 2), np.nan)
    losses[7 - finite :] = 1.0
    slope = estimate_slope(losses, steps, center=1.0, noise=EPSILON)
    assert np.isnan(slope.value)
    assert slope.error_bound == np.inf


def test_the_ladder_is_shorter_for_single_precision():
    assert ladder_steps(0.5, np.float64).tolist() == [0.5 / 4**k for k in range(7)]
    assert ladder_steps(0.5, np.float32).tolist() == [0.5 / 4**k for k in range(4)]


@given(jump=st.floats(0.01, 10), slope=st.floats(-3, 3))
@settings(max_examples=50, deadline=None)
def test_a_kink_in_the_middle_covers_the_slopes_of_both_sides(jump, slope):
    steps = ladder_steps(1.0, np.float64)
    losses = 3 + slope * np.stack([-steps, steps], axis=1) + jump * np.stack([np.zeros(7), steps], axis=1)
    found = estimate_slope(losses, steps, center=3.0, noise=4 * EPSILON * 16)
    for right in (slope, slope + jump):  # every difference of the ladder says the mean of them
        assert abs(found.value - right) <= KAPPA * found.error_bound


@pytest.mark.parametrize("stair", [2.0**-11, 2.0**-8])
def test_a_loss_that_stands_still_over_the_finer_steps_is_held_to_what_the_coarser_ones_show(stair):
    """Rounded to multiples of 2^-11 or 2^-8, as no noise told: over the finer steps 3 + 0.3 t does not change at all."""
    steps = ladder_steps(0.5, np.float64)
    losses = np.round((3 + 0.3 * np.stack([-steps, steps], axis=1)) / stair) * stair
    assert (losses[-1] == 3).all()
    slope = estimate_slope(losses, steps, center=3.0, noise=4 * EPSILON)
    assert abs(slope.value - 0.3) <= KAPPA * slope.error_bound


@pytest.mark.parametrize("noise", [0.0004, 0.0005, 0.0006])
def test_a_kink_that_two_steps_bend_by_like_a_parabola_is_seen_by_the_next_one(noise):
    """At 0.2 of the first step the second differences there and at a quarter of it are as those of a parabola are."""
    steps = ladder_steps(1.0, np.float64)
    losses = 3 + np.maximum(0, np.stack([-steps, steps], axis=1) - 0.2)
    slope = estimate_slope(losses, steps, center=3.0, noise=noise)
    assert abs(slope.value) <= slope.error_bound
