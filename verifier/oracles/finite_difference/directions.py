"""Directions to differentiate along, and how far to go.

A direction has entries ±[1/2, 1] in fine random magnitudes: with ±1 an antisymmetric error cancels exactly half the time. It is keyed
by the tensor's name, so that a new tensor does not move the others' directions.
"""

import hashlib
import math
from collections.abc import Callable, Mapping

import numpy as np

from verifier.arrays import FloatArray, norm

LARGEST_MOVE = 1.0  # of a pre-activation: every smooth activation is well within its Taylor series there
LARGEST_EXPONENT = 4  # where nothing moves (zero inputs) a larger step would only leave the problem's own scale
SMALLEST_EXPONENT = -30  # a kink nearer than this is on the point
USUAL_EXPONENTS = (-6, -14)  # few functions bend sooner, and the smallest step shows nothing of how the others do
SPREAD = 12  # block scales stay within 2^±12 of their middle: one vanishing gradient must not shrink all other blocks


def direction_for(seed: int, problem_index: int, tensor_name: str, shape: tuple[int, ...]) -> FloatArray:
    """The direction of one tensor: float64, entries of random sign with magnitudes uniform on [1/2, 1], the same for the same arguments."""
    name_key = int.from_bytes(hashlib.blake2b(tensor_name.encode(), digest_size=8).digest(), "little")
    generator = np.random.default_rng(np.random.SeedSequence([seed, problem_index, name_key]))
    magnitudes = generator.uniform(0.5, 1.0, size=shape)
    return np.where(generator.random(size=shape) < 0.5, -magnitudes, magnitudes)


def combined_direction(gradients: Mapping[str, FloatArray], seed: int, index: int, *, spread: int = SPREAD) -> dict[str, FloatArray]:
    """One direction through all these tensors: each one's own, times a power of two such that the claimed gradients contribute alike.

    Without the scales the tensor with the largest gradient would hide the others. The largest scale is 1.
    """
    scales = block_scales(gradients, spread=spread)
    return {name: scales[name] * direction_for(seed, index, name, np.shape(gradient)) for name, gradient in gradients.items()}


def gradient_direction(gradients: Mapping[str, FloatArray], *, spread: int = SPREAD) -> dict[str, FloatArray]:
    """The claimed gradient as a direction, each block scaled like those of `combined_direction`; zero gradients are left out.

    All contributions have one sign here, so a wrong factor adds up over the elements; along random signs it grows with their root.
    """
    live = {name: gradient for name, gradient in gradients.items() if np.any(gradient)}
    scales = block_scales(live, spread=spread)
    return {name: gradient / np.abs(gradient).max() * scales[name] for name, gradient in live.items()}


def block_scales(gradients: Mapping[str, FloatArray], *, spread: int = SPREAD) -> dict[str, float]:
    """Powers of two, at most 1, inverse to each gradient's 2-norm within 2^±spread of the middle; where that is zero, the middle."""
    exponents = {name: _exponent(gradient) for name, gradient in gradients.items()}
    known = [exponent for exponent in exponents.values() if exponent is not None]
    middle = round(float(np.median(known))) if known else 0
    wanted = {name: 0 if exponent is None else max(-spread, min(spread, middle - exponent)) for name, exponent in exponents.items()}
    top = max(wanted.values(), default=0)
    return {name: 2.0 ** (exponent - top) for name, exponent in wanted.items()}


def first_step(moves: Callable[[float], tuple[float, bool]]) -> float | None:
    """The largest power of two, from 2^4 down to 2^-30, within the trust region; None where there is none.

    Args:
        moves: of a step t: the largest move of any pre-activation between the middle and ±t in the reference's forward pass, and
            whether a kink is crossed on the way.
    """
    largest, crossed = moves(2.0**SMALLEST_EXPONENT)
    if not _is_trusted(largest, crossed):
        return None
    trusted, beyond = SMALLEST_EXPONENT, LARGEST_EXPONENT + 1
    guess = _reach(largest)
    while beyond - trusted > 1:  # moves grow with the step, in proportion where nothing bends: asked there first
        near = [exponent for exponent in (guess, guess + 1, guess - 1) if trusted < exponent < beyond]
        exponent = near[0] if near else _between(trusted, beyond)
        if _is_trusted(*moves(2.0**exponent)):
            trusted = exponent
        else:
            beyond = exponent
    return 2.0**trusted


def _between(trusted: int, beyond: int) -> int:
    """By halves, once it is known on which side of the usual ones it is."""
    usual = [exponent for exponent in USUAL_EXPONENTS if exponent < beyond] if trusted == SMALLEST_EXPONENT else []
    return usual[0] if usual else (trusted + beyond) // 2


def _reach(largest: float) -> int:
    """The largest exponent trusted if moves were proportional to the step, from the largest move at the smallest step."""
    return SMALLEST_EXPONENT + math.floor(math.log2(LARGEST_MOVE / largest)) if largest > 0 else LARGEST_EXPONENT


def _is_trusted(largest: float, crossed: bool) -> bool:
    return largest <= LARGEST_MOVE and not crossed  # NaN moves are not trusted


def _exponent(gradient: FloatArray) -> int | None:
    """Of the power of two next to the gradient's norm; None for a zero or non-finite one."""
    largest = float(np.abs(gradient).max(initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return None
    return round(math.log2(largest) + math.log2(norm(gradient / largest)))
