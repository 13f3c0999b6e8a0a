"""A jump of the loss beside the point: the stair of a part that cancelled, whose rounding is far above the last bit of the result.

exp(y) - 1 - y for y ≈ 1e-13 is a saw of teeth 2e-16 high and perfectly straight in between: differences within one tooth agree with one
another, and say -1 where the derivative is 1e-13. Beyond the trust region of such a line the loss jumps back; that height is noise.
"""

from collections.abc import Callable

import numpy as np

from verifier.arrays import FloatArray

HALVINGS = 30
BEYOND = 2.0  # times the first step: there the trial found that the line is no longer smooth
SHRINKS = 0.5  # of a jump at least this part is left where the enclosure is 2^-15 as wide; of a slope 2^-15

Losses = Callable[[FloatArray], FloatArray]
"""Steps along a line -> losses."""


def largest_jump(losses: Losses, first: float, *, halvings_at_once: int = 1) -> float:
    """Height of the jump between the first step and twice that on either side; 0 on a line without one.

    `halvings_at_once`: how many are asked together, where a question costs more than a loss; a divisor of 15.
    """
    parts = 2**halvings_at_once
    return max(_enclose(losses, sign * first, sign * BEYOND * first, parts, HALVINGS // halvings_at_once) for sign in (1.0, -1.0))


def _enclose(losses: Losses, start: float, end: float, parts: int, rounds: int) -> float:
    changes = []
    for _ in range(rounds):
        steps = np.linspace(start, end, parts + 1)
        change = np.abs(np.diff(losses(steps)))
        # What is smooth changes alike in all parts; the jump is in one of them.
        widest = int(np.argmax(np.where(np.isnan(change), -1.0, change)))
        start, end = float(steps[widest]), float(steps[widest + 1])
        changes.append(float(change[widest]))
    return changes[-1] if np.isfinite(changes[-1]) and changes[-1] > SHRINKS * changes[rounds // 2] else 0.0
