"""One-sided slopes: two that differ are a kink of the function only where rounding inside could not have bent it so."""

import numpy as np
import pytest

from verifier.oracles.finite_difference.ladder import KAPPA
from verifier.oracles.functions.closer import Side, Slopes, slopes_along

NOISE = 1e-15


def test_rounding_to_float32_inside_shows_no_kink():
    bent = []
    for seed in range(150):
        a, b = np.random.default_rng(seed).normal(size=2)

        def along(t, a=a, b=b):
            x = np.float32(a + t)
            return float(np.float32(np.tanh(x) * np.float32(b) + np.sin(x)))

        slopes = slopes_along(along, along(0.0), NOISE)
        bent.append(slopes.at_a_kink)
        assert not slopes.shows_a_kink
    assert any(bent)  # its sides differ all the same: nothing is decided there


@pytest.mark.parametrize("along", [lambda t: max(t, 0.0) + 1, lambda t: 1e-3 * abs(t) + 1], ids=["relu", "a small abs"])
def test_a_kink_of_the_function_shows(along):
    assert slopes_along(along, along(0.0), NOISE).shows_a_kink


def test_a_claim_of_zero_is_confirmed_where_nothing_moves_however_large_the_noise():
    for noise in (0.0, NOISE, 1e-6):
        slopes = slopes_along(lambda t: max(t - 3.0, 0.0) + 1, 1.0, noise)
        assert slopes.confirm(0.0)
        assert not slopes.confirm(1e-3)


def test_a_claim_within_the_bound_is_not_contradicted_and_one_beyond_it_is():
    side = Side(value=2.0, bound=0.125, step=0.5)
    slopes = Slopes(right=side, left=side, still=0.0, level=1.0)
    for sign in (1, -1):
        assert not slopes.contradict(2.0 + sign * KAPPA * 0.125)
        assert slopes.contradict(2.0 + sign * KAPPA * 0.1251)


NOWHERE = Side(float("nan"), float("inf"), float("nan"))


def both(side, **more):
    return Slopes(**({"right": side, "left": side, "still": 0.0, "level": 1e-3} | more))


@pytest.mark.parametrize(("on_the_edge", "contradicts"), [(True, True), (False, False)])
def test_one_side_alone_contradicts_only_where_the_other_lies_outside_of_the_domain(on_the_edge, contradicts):
    """Where the other side could be asked, and shows nothing, the point is beside a jump or a pole, which decides nothing about it."""
    for sides in ({"left": NOWHERE}, {"right": NOWHERE}):
        slopes = both(Side(2.0, 0.125, 0.5), on_the_edge=on_the_edge, **sides)
        assert slopes.contradict(5.0) == contradicts


def test_a_claim_that_some_step_shows_or_that_shorter_steps_come_to_is_not_contradicted():
    for one in (Side(2.0, 0.125, 0.5, all=((5.0, 1e-3),)), Side(2.0, 0.125, 0.5, finer=((4.9, 1e-6),))):
        for sides in ({"left": one}, {"right": one}):
            slopes = both(Side(2.0, 0.125, 0.5), **sides)
            assert not slopes.contradict(5.0)
            assert slopes.contradict(-5.0)
    assert both(Side(2.0, 0.125, 0.5, all=((5.0, 1.0),))).contradict(5.0), "so wide a bound shows nothing"
    assert both(Side(2.0, 0.125, 0.5, finer=((4.9, 1.0),))).contradict(5.0), "nor does what noise may have carried there"


@pytest.mark.parametrize(("step", "still", "contradicts"), [(2.0**-21, 0.0, True), (2.0**-23, 0.0, False), (2.0**-21, 2.0**-14, False)])
def test_steps_so_short_that_they_may_lie_between_two_stairs_contradict_nothing(step, still, contradicts):
    assert both(Side(2.0, 0.125, step), still=still).contradict(5.0) == contradicts
