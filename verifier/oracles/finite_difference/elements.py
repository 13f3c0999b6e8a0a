"""Which element of a tensor is wrong: one by one where the tensor is small, by halving (group testing) where it is not."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.oracles.finite_difference.line import DirectionResult

SMALL = 16  # elements; above, halving costs less than one by one: 2·log2(n) lines against n


@dataclass(frozen=True)
class WrongElement:
    """The worst wrong element found: what was claimed, what differences of the loss say, and what it was held to."""

    tensor: str
    index: tuple[int, ...]
    claimed: float
    estimated: float
    tolerance: float


Positions = NDArray[np.integer]
"""Elements by their place in the flattened tensor."""

Ask = Callable[[FloatArray], DirectionResult | None]
"""A direction within the tensor -> what it says; None where no step is within the trust region."""


def find_wrong_element(
    tensor: str, gradient: FloatArray, direction: FloatArray, ask: Ask
) -> tuple[WrongElement | None, tuple[DirectionResult, ...]]:
    """Search a tensor whose direction failed for its worst wrong element.

    Args:
        tensor: its name, for the record.
        gradient: claimed.
        direction: the direction that failed; halves of it are asked about.
        ask: tests a direction within this tensor.
    Returns:
        The element with the largest error among those found wrong, or None where no single one is (many small errors, each
        below the resolution); and every direction asked about.
    """
    asked: list[DirectionResult] = []
    candidates: Positions = np.arange(gradient.size)
    if gradient.size > SMALL:
        candidates = _halve(candidates, direction, ask, asked)
    worst: WrongElement | None = None
    for position in candidates.tolist():
        result = _ask_about(np.array([position]), np.ones(gradient.shape), ask, asked)
        if result is None or result.status != "fail":
            continue
        claimed = float(gradient.flat[position])
        if worst is None or abs(result.error) > abs(worst.estimated - worst.claimed):
            index = tuple(int(axis) for axis in np.unravel_index(position, gradient.shape))
            worst = WrongElement(tensor, index, claimed, claimed + result.error, result.tolerance)
    return worst, tuple(asked)


def _halve(candidates: Positions, direction: FloatArray, ask: Ask, asked: list[DirectionResult]) -> Positions:
    """Narrow the elements down to a few: of two halves go on with the failing one, of two failing ones with the larger error."""
    while len(candidates) > SMALL // 4:
        halves = (candidates[: len(candidates) // 2], candidates[len(candidates) // 2 :])
        results = [_ask_about(half, direction, ask, asked) for half in halves]
        errors = [abs(result.error) if result is not None and result.status == "fail" else 0.0 for result in results]
        if max(errors) == 0:
            return candidates[:SMALL]
        candidates = halves[int(np.argmax(errors))]
    return candidates


def _ask_about(positions: Positions, direction: FloatArray, ask: Ask, asked: list[DirectionResult]) -> DirectionResult | None:
    masked = np.zeros(direction.shape)
    masked.flat[positions] = direction.flat[positions]
    result = ask(masked)
    if result is not None:
        asked.append(result)
    return result
