"""A step of the function near the point, high enough to hide a gradient: is it the function's own, or the rounding of something inside?

1 - cos(x) of 1e-8 is a whole multiple of 2^-53, and what divides by it makes that as large as one likes. Over a tread of such stairs the
slope is 0, and the right gradient is not. Rounding goes off by no more than the stairs are high, so a tread over which claim and slope
come apart further than that hides nothing; and a step that stays where and as it is in a coarser arithmetic (`coarser`) is meant.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from verifier.coarser import Seen

NEAREST, FURTHEST = -16, 20  # powers of two, of the element's own size: steps are looked for from one to the other
LOWER = 8.0  # a stair that hides a slope is about as high as the slope would have gone over the tread; so much lower it hides none
HALVINGS = 30
BESIDE = 2.0**-12  # of the element's size and the step's distance: how far before and after a step the coarser arithmetic is asked
ALIKE = 0.25  # of the step's height

Along = Callable[[float], float]
"""t -> the projected outputs at the point moved by t, as in `closer`."""


@dataclass(frozen=True)
class Step:
    """A jump of the outputs: how far from the point, on which side; and how high."""

    at: float
    height: float


def hidden_by_stairs(
    along: Along, coarsely: Callable[[float], tuple[float, Seen]], *, size: float, level: float, claimed: float, found: float
) -> bool:
    """Whether stairs of rounding near the point may be why the slope found there is not the one claimed.

    Args:
        along: asks the function along one element.
        coarsely: the same in the coarser arithmetic, and what was met there.
        size: of the element.
        level: how large the outputs are; stairs of that height hide any slope.
        claimed, found: the two slopes.
    """
    apart, center = abs(claimed - found), along(0.0)
    for side in (1.0, -1.0):
        step = _nearest_step(lambda t, side=side: along(side * t) - center - found * side * t, size, level, apart, found * side)  # type: ignore[misc]
        if step is not None and not _is_meant(along, coarsely, side, step, size):
            return True
    return False


def _nearest_step(off: Along, size: float, level: float, apart: float, found: float) -> Step | None:
    """The nearest step on one side that is high enough to hide a slope, of what is off the slope found.

    Forgotten is one that the slope found, further out, leaves behind. Nothing is looked for beyond the element's size where the function
    bends.
    """
    start, before, step = 0.0, 0.0, None
    for exponent in range(NEAREST, FURTHEST + 1):
        end = size * 2.0**exponent
        after = off(end)
        if not np.isfinite(after) or (step is not None and exponent > 0):
            break
        least = min(apart * end, max(level, abs(after + found * end))) / LOWER
        if step is not None and max(abs(after), step.height) <= least:
            step = None
        change = abs(after - before)
        if step is None and change > least:
            step = _enclosed(off, (start, before), (end, after), max(least, change / LOWER) / 2)
            if step is None and exponent >= 0 and change > apart * end / LOWER:
                break
        start, before = end, after
    return step


def _enclosed(off: Along, start: tuple[float, float], end: tuple[float, float], least: float) -> Step | None:
    """Where between the two the function steps by at least so much; what is smooth changes less from half to half, at a pole it is more."""
    changes = []
    for _ in range(HALVINGS):
        middle = (start[0] + end[0]) / 2
        value = off(middle)
        if not np.isfinite(value):
            return None
        if abs(value - start[1]) >= abs(end[1] - value):
            end = middle, value
        else:
            start = middle, value
        changes.append(abs(end[1] - start[1]))
        if changes[-1] < least:
            return None
    is_pole = changes[-1] > 2 * changes[HALVINGS // 2]
    return None if is_pole else Step((start[0] + end[0]) / 2, changes[-1])


def _is_meant(along: Along, coarsely: Callable[[float], tuple[float, Seen]], side: float, step: Step, size: float) -> bool:
    """Whether a coarser arithmetic, which sees the function compute, comes to the same before and after the step."""
    margin = BESIDE * max(size, step.at)
    points = 0.0, max(0.0, step.at - margin), step.at + margin
    there = [along(side * t) for t in points]
    if not abs(there[2] - there[1]) > step.height / 2:  # it is one of many, closer together than the coarser arithmetic can tell
        return False
    for t, value in zip(points, there, strict=True):
        coarse, seen = coarsely(side * t)
        if seen.narrow or not seen.results or not abs(coarse - value) <= ALIKE * step.height:
            return False
    return True
