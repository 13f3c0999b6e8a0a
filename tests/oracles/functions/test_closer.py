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
