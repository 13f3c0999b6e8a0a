"""A mask that scales what it keeps, as dropout's, and a gradient that has the mask without the scale, or the scale twice."""

import numpy as np
import pytest

from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.relations import related

SCALE = 1 / 0.7


def dropped(kept, times):
    slopes = SCALE * np.array(kept, dtype=float)
    cotangent = np.linspace(-1.0, 1.3, len(kept))
    return Case(
        values={"D": len(kept)},
        arrays={"x": np.ones(len(kept))},
        claimed={"x": times * slopes * cotangent},
        jacobians={"x": np.diag(slopes)},
        cotangent=cotangent,
        shape=(len(kept),),
    )


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (1 / SCALE, "has the mask alone: the factor 1.429, by which the forward pass multiplies what it keeps, is missing"),
        (SCALE, "has the factor 1.429, by which the forward pass multiplies what it keeps, twice"),
        (0.25, "is 0.25 times what it should be"),
    ],
)
def test_the_scale_of_a_mask_is_named(times, says):
    assert related("x", [dropped([1, 0, 1, 1, 0], times), dropped([0, 1, 1], times)]) == ("factor", says)


def test_where_nothing_is_dropped_a_factor_is_a_factor():
    assert related("x", [dropped([1, 1, 1], 1 / SCALE)]) == ("factor", "is 0.7 times what it should be")
