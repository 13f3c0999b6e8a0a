"""How far a claimed gradient is off by its own rounding: a backward pass in float32, or one in which large numbers cancel.

The claim is asked at five points of a line, evenly apart: of a smooth function the fourth difference is nothing there, and what is left is
rounding. The cotangent is scaled along, for what is rounded of it alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.oracles.functions.wandering import COPIES
from verifier.tolerance import FLOOR, SAFETY

ClaimAgain = Callable[..., Mapping[str, FloatArray]]
"""(arrays instead of the problem's, factor of the cotangents) -> the gradients claimed there."""
APART = 2.0**-14  # of each element: bends of the fourth order are 2^-56 of it, and the last bits of float32 change
FOURTH = (1.0, -4.0, 6.0, -4.0, 1.0)
SHARE = (6 / 70) ** 0.5  # of a fourth difference of equal noise, in units of a second one, whose root of squares is √6: SAFETY is of these
WIDER = 2.0**-5  # the same of small numbers: none changes its sign, and of what bends at their own size 2^-20 may be taken for noise
SMALL = 2.0**-6  # the largest element of these
NOISY = 2.0**-10  # of the largest element: more than that is a kink that was crossed, such as a margin that is met exactly


def own_noise(
    claim_again: ClaimAgain, arrays: Mapping[str, NDArray[Any]], names: Sequence[str], name: str, here: FloatArray, *, alike: bool = False
) -> FloatArray:
    """By element of one array's gradient, what it wanders by its own rounding; 0 where nothing shows.

    Args:
        claim_again: asks the claim elsewhere; whoever goes on asks the problem itself again.
        names: of the arrays that move.
        alike: whether all elements move by the same share of themselves, so that equal ones stay equal and zeros zero.
    """
    generator, wandered = np.random.default_rng(0), np.zeros(here.shape)
    for copy in range(COPIES if alike else 2 * COPIES):
        one = float(generator.uniform(0.5, 1.0))
        rays = {moved: one if alike else generator.uniform(-1, 1, size=arrays[moved].shape) for moved in names}
        turned = APART * float(generator.uniform(0.5, 1.0))
        found = []
        for place in (-2, -1, 1, 2):
            there = {moved: arrays[moved] * (1 + place * _apart(arrays[moved], copy) * ray) for moved, ray in rays.items()}
            found.append(claim_again({**arrays, **there}, factor=1 + place * turned).get(name))
        if all(claim is not None and claim.shape == here.shape for claim in found):
            claims = [*found[:2], here, *found[2:]]
            fourth = sum(weight * claim for weight, claim in zip(FOURTH, claims, strict=True) if claim is not None)
            with np.errstate(invalid="ignore"):
                wandered = np.fmax(wandered, SHARE * np.abs(fourth))
    largest = float(np.abs(here).max(initial=0.0))
    return np.asarray(np.where(wandered <= NOISY * largest, wandered, 0.0))


def _apart(array: NDArray[Any], copy: int) -> float:
    """The share of themselves that elements move by: more of small ones, whose moves else show no rounding beside 1."""
    return WIDER if copy >= COPIES and float(np.abs(array).max(initial=0.0)) < SMALL else APART


def allowed_for(noise: FloatArray) -> FloatArray:
    """By element, what it may be off by noise as large as this."""
    return np.asarray(SAFETY * np.maximum(noise, FLOOR * float(noise.max(initial=0.0))))
