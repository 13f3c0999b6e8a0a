"""One-sided slopes: two that differ are a kink of the function only where rounding inside could not have bent it so."""

import numpy as np
import pytest

from verifier.oracles.functions.closer import slopes_along

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
