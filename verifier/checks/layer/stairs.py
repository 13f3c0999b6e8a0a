"""Whether rounding inside a layer makes stairs that may hide a gradient: 1 - cos(x) of x ≈ 1e-8 is a whole multiple of 2^-53.

Over a tread every difference is 0 and all agree, whatever the slope is; `oracles.functions.stairs` tells such treads from steps that are
meant. That is asked only where something would be accused, and a message costs more than a point: so those that it begins with go together.
"""

from collections.abc import Mapping

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.layer.asking import LayerAsking
from verifier.coarser import Seen
from verifier.oracles.functions.stairs import FURTHEST, NEAREST, hidden_by_stairs


def is_on_stairs(
    asking: LayerAsking,
    direction: Mapping[str, FloatArray],
    cotangent: FloatArray,
    *,
    size: float,
    level: float,
    claimed: float,
    found: float,
) -> bool:
    """Whether stairs of rounding near the problem that was asked last may be why the slope along a direction is not the one claimed.

    Args:
        cotangent: of all outputs, one after another.
        size: of what moves, in steps.
        level: how large the outputs are.
    """

    def project(outputs: FloatArray) -> float:
        with np.errstate(all="ignore"):
            return float((cotangent.astype(np.longdouble) * outputs).sum())

    first = [0.0, *(sign * size * 2.0**exponent for exponent in range(NEAREST, FURTHEST + 1) for sign in (1.0, -1.0))]
    known = {step: project(row) for step, row in zip(first, asking.outputs_along(direction, first), strict=True)}

    def along(step: float) -> float:
        if step not in known:
            known[step] = project(asking.outputs_along(direction, [step])[0])
        return known[step]

    def coarsely(step: float) -> tuple[float, Seen]:
        outputs, seen = asking.coarsely(direction, step)
        return project(outputs), seen

    return hidden_by_stairs(along, coarsely, size=size, level=level, claimed=claimed, found=found)
