"""A jump of the loss beside the point: the stair of a part that cancelled, whose rounding is far above the last bit of the result.

exp(y) - 1 - y for y ≈ 1e-13 is a saw of teeth 2e-16 high and perfectly straight in between: differences within one tooth agree with one
another, and say -1 where the derivative is 1e-13. Beyond the trust region of such a line the loss jumps back; that height is noise.
"""

from collections.abc import Callable

import numpy as np

from verifier.results.evaluation import FloatArray

HALVINGS = 30
BEYOND = 2.0  # times the first step: there the trial found that the line is no longer smooth
SHRINKS = 0.5  # of a jump at least this part is left where the enclosure is 2^-15 as wide; of a slope 2^-15

Losses = Callable[[FloatArray], FloatArray]
"""Steps along a line -> losses."""


def largest_jump(losses: Losses, first: float) -> float:
    """Height of the jump between the first step and twice that on either side; 0 on a line without one."""
    return max(_enclose(losses, sign * first, sign * BEYOND * first) for sign in (1.0, -1.0))


def _enclose(losses: Losses, start: float, end: float) -> float:
    at_start, at_end = (float(value) for value in losses(np.array([start, end])))
    changes = []
    for _ in range(HALVINGS):
        middle = (start + end) / 2
        at_middle = float(losses(np.array([middle]))[0])
        # What is smooth changes alike on both halves; the jump is in one of them.
        if abs(at_middle - at_start) >= abs(at_end - at_middle):
            end, at_end = middle, at_middle
        else:
            start, at_start = middle, at_middle
        changes.append(abs(at_end - at_start))
    return changes[-1] if np.isfinite(changes[-1]) and changes[-1] > SHRINKS * changes[HALVINGS // 2] else 0.0
