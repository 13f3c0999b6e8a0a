"""The noise of a loss: rounding in any order of summation, narrower types inside, plateaus."""

import numpy as np
import pytest

from verifier.oracles.finite_difference.noise import (
    loss_noise,
    machine_epsilon,
    near_points,
    noise_by_step,
    noise_of_stairs,
    shown_epsilon,
)


def sequential_sum(terms: np.ndarray) -> float:
    total = terms.dtype.type(0)
    for term in terms:
        total += term
    return float(total)


def noise_of(function, dtype=np.float64, scatter=0.0, first=0.25) -> float:
    points = near_points(first, dtype)
    losses = np.array([function(t) for t in points])
    return loss_noise(losses, losses, loss_scatter=scatter, epsilon=shown_epsilon(losses, dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_near_points_are_symmetric_and_too_near_for_what_a_cubic_cannot_follow(dtype):
    points = near_points(0.25, dtype)
    assert points[3] == 0
    assert np.array_equal(points, -points[::-1])
    assert points[-1] ** 4 / 24 <= machine_epsilon(dtype) / 70 * 0.25**4


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_long_sequential_sum_shows_its_own_noise(dtype):
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=3000)

    def loss(t):
        return sequential_sum(((inputs + t) ** 2).astype(dtype))

    truth = [float((((inputs + t) ** 2).astype(dtype)).astype(np.float64).sum()) for t in near_points(0.25, dtype)]
    deviations = np.array([loss(t) for t in near_points(0.25, dtype)]) - truth
    spread = np.abs(deviations - deviations.mean()).max()
    assert spread <= 2 * noise_of(loss, dtype)


def test_single_precision_inside_a_double_is_seen():
    def loss(t):
        return float(np.float32(np.tanh(np.float32(0.3 + t)) ** 2))

    assert noise_of(loss) > 0.1 * machine_epsilon(np.float32) * np.tanh(0.3) ** 2


def test_a_smooth_loss_has_the_noise_of_its_last_bit():
    assert noise_of(lambda t: float(np.float64(2.0) + 0.7390851332151607 * t)) == pytest.approx(2 * machine_epsilon(np.float64), rel=1.0)


def test_where_the_loss_sits_on_one_plateau_the_scatter_of_the_reference_counts():
    flat, epsilon = np.full(7, 1e-13), machine_epsilon(np.float64)
    assert loss_noise(flat, flat, loss_scatter=1.0, epsilon=epsilon) == 4 * epsilon


def test_a_loss_that_is_not_finite_has_infinite_noise():
    assert noise_of(lambda t: float("nan")) == np.inf


def test_noise_grows_with_the_loss_away_from_the_middle():
    losses = np.array([[1.0, 8.0], [2.0, 2.0], [1.0, 0.5]])
    assert noise_by_step(losses, center=2.0, noise=1e-3).tolist() == [4e-3, 1e-3, 1e-3]


def test_where_the_loss_in_the_middle_is_nearly_zero_the_whole_loss_is_taken_for_noise():
    losses = np.array([[0.5, 0.25], [0.0, 0.0]])
    assert noise_by_step(losses, center=0.0, noise=1e-16).tolist() == [0.5, 1e-16]
    assert noise_by_step(losses, center=1e-310, noise=1e-16).tolist() == [0.5, 1e-16]


def test_a_loss_computed_in_a_narrower_type_shows_its_epsilon():
    losses = np.random.default_rng(2).random(21)
    assert shown_epsilon(losses, np.float64) == machine_epsilon(np.float64)
    assert shown_epsilon(losses.astype(np.float32).astype(np.float64), np.float64) == machine_epsilon(np.float32)
    assert shown_epsilon(losses.astype(np.float16).astype(np.float64), np.float32) == machine_epsilon(np.float16)
    assert shown_epsilon(np.zeros(21), np.float64) == machine_epsilon(np.float32)


def stairs(losses, noise=1e-16, center=1.0) -> float:
    return noise_of_stairs(np.array(losses), center=center, noise=noise, growth=2.0**29)


def test_a_stair_is_as_high_as_the_smallest_change_where_finer_steps_change_nothing():
    losses = [[1.5, 0.25], [1.125, 1.0], [1.0, 1.0]]
    assert stairs(losses) == 0.125
    assert stairs(losses[:2]) == 1e-16


def test_steps_out_of_the_domain_show_no_stair():
    nowhere = float("nan")
    assert stairs([[1.0, 1.0], [nowhere, 1.0], [nowhere, nowhere]]) == 2.0**-10


def test_a_loss_that_no_step_changes_may_be_a_stair_of_single_or_half_precision():
    assert stairs(np.ones((7, 2)), noise=1e-10) == 1e-10 * 2.0**29
    assert stairs(np.ones((7, 2))) == 2.0**-10
