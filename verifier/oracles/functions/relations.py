"""How a wrong gradient relates to the right one, in words: a factor, a size, a sign, transposed, one row only, a lost mask."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray

NARROWER = "It is right to {} digits: is a part of it computed in a narrower type, or a constant too short?"
FLOAT64_DIGITS = 1e-12
LEFT = 0.1  # of an error, by a factor that is said to explain it
CLOSE = 1e-3  # of the largest element: a relation is said where it holds this well, or within what the right numbers are known to
EXACT = 1e-6  # of one number, where nothing else is known: every number is some multiple of another
NAMED = {2.0: "twice", 0.5: "half", 3.0: "three times", 4.0: "four times", 0.25: "a quarter of"}


def relation(
    claimed: FloatArray,
    right: FloatArray,
    sizes: Mapping[str, float],
    *,
    others: Mapping[str, FloatArray] | None = None,
    cotangents: Sequence[FloatArray] = (),
    within: FloatArray | None = None,
) -> str:
    """One sentence, or "" where no relation is seen.

    Args:
        sizes: what a factor may be, by name.
        others: right gradients of the other tensors, for two that were exchanged.
        cotangents: for a gradient that is the cotangent as it came in.
        within: what rounding may do to each element, where that is known: so well a factor close to 1 has to hold.
    """
    if claimed.size == 0 or claimed.shape != right.shape or not np.isfinite(claimed).all():
        return "" if np.isfinite(claimed).all() else "It is not finite."
    if not claimed.any():
        return "It is 0 everywhere."
    if np.count_nonzero(right) == 1 and not claimed[right == 0].any():
        one = right != 0
        return _of_one_number(float(claimed[one][0]), float(right[one][0]), sizes, None if within is None else float(within[one][0]))
    if _apart(claimed, right) <= CLOSE:  # beside so small an error most relations hold
        factor = _factor(claimed, right)
        if factor is not None and _explains(factor, claimed, right, within):
            return _factor_in_words(factor, sizes)
        return agreement(claimed, right)
    for name, other in (others or {}).items():
        if right.size > 1 and _same(claimed, other):
            return f"It is the gradient of {name}: two are exchanged."
    for cotangent in cotangents:
        if right.size > 1 and _same(claimed, cotangent):
            return "It is the cotangent, as it came in."
    factor = _factor(claimed, right)
    if factor is not None and _explains(factor, claimed, right, within):
        return _factor_in_words(factor, sizes)
    if right.ndim == 2 and _same(claimed, right.T.reshape(right.shape)):
        return "It is the right one transposed."
    if _same(claimed, np.abs(right)):
        return "Its sign is lost: it is the absolute value of the right one."
    return _part(claimed, right) or _rows(claimed, right, within)


def of_draws(claimed: FloatArray, right: FloatArray, sizes: Mapping[str, float]) -> str:
    """A gradient of one number, from several draws of the same sizes: what holds in all of them; "" where nothing does."""
    factor = _factor(claimed, right)
    if factor is not None and _explains(factor, claimed, right):
        return _factor_in_words(factor, sizes)
    if claimed.any() and _same(claimed, np.abs(right)):
        return "Its sign is lost: it is the absolute value of the right one."
    return "" if claimed.any() else "It is 0 everywhere."


def _of_one_number(claimed: float, right: float, sizes: Mapping[str, float], within: float | None) -> str:
    """A sign, a size or a usual factor that one number shows to its last digits; any other factor says nothing."""
    close = EXACT if within is None else min(CLOSE, max(within / abs(right), np.finfo(np.float64).eps))
    return _usual_factor(claimed / right, sizes, close)


def agreement(claimed: FloatArray, right: FloatArray) -> str:
    """To how many digits numbers are right that are nearly so, in a sentence; "" of others, and of what is right to float64's digits."""
    small = _apart(claimed, right)
    return NARROWER.format(int(-np.log10(small))) if FLOAT64_DIGITS <= small <= CLOSE else ""


def _apart(claimed: FloatArray, right: FloatArray) -> float:
    """The largest difference, relative to the largest right number."""
    size = float(np.abs(right).max(initial=0.0))
    return float(np.abs(claimed - right).max(initial=0.0)) / size if size > 0 else float("inf")


def _same(one: FloatArray, other: FloatArray) -> bool:
    if one.shape != other.shape:
        return False
    return bool(np.abs(one - other).max(initial=0.0) <= CLOSE * np.abs(other).max(initial=0.0)) and bool(other.any())


def _factor(claimed: FloatArray, right: FloatArray) -> float | None:
    largest = float(np.abs(right).max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return None
    unit = right / largest  # taken out first: squares of 1e160 overflow
    factor = float(((claimed / largest) * unit).sum() / (unit * unit).sum())
    return factor if factor != 0 and _same(claimed, factor * right) else None


def _explains(factor: float, claimed: FloatArray, right: FloatArray, within: FloatArray | None = None) -> bool:
    """Whether the factor leaves little of the error: beside a small error every factor is close to 1."""
    left = np.abs(claimed - factor * right)
    if abs(factor - 1) < CLOSE and within is not None and not (left <= within).all():
        return False
    return abs(factor - 1) >= CLOSE or float(left.max(initial=0.0)) <= LEFT * float(np.abs(claimed - right).max(initial=0.0))


def _factor_in_words(factor: float, sizes: Mapping[str, float]) -> str:
    if abs(factor - 1) < CLOSE:
        return f"Every element is off by the same factor, {factor:.9g}."
    turned = "turned in sign and " if factor < 0 else ""
    return _usual_factor(factor, sizes, CLOSE) or f"It is {turned}{abs(factor):.4g} times the right one."


def _usual_factor(factor: float, sizes: Mapping[str, float], close: float) -> str:
    """A sign, a size, two or a half in words, "" of what is none of these to within `close`."""
    turned, size = ("turned in sign and ", -factor) if factor < 0 else ("", factor)
    if turned and abs(size - 1) < close:
        return "It has the wrong sign."
    for name, count in sizes.items():
        for power, words in ((count, f"{name} times"), (1 / max(count, 1), f"1/({name}) times"), (count**2, f"({name})² times")):
            if count > 1 and abs(size - power) < close * power:
                return f"It is {turned}{words} the right one ({name} is {count:g} here)."
    words = next((said for value, said in NAMED.items() if abs(size - value) < close * value), "")
    return f"It is {turned}{words} the right one." if words else ""


def _part(claimed: FloatArray, right: FloatArray) -> str:
    """Right where both are not zero, and zero on one side only."""
    level = CLOSE * float(np.abs(right).max(initial=0.0))
    agree = np.abs(claimed - right) <= level
    extra, missing = (np.abs(right) <= level) & ~agree, (np.abs(claimed) <= level) & ~agree
    if (agree | extra).all() and (np.abs(right) > level).any():
        return f"It is right but for {_count(extra)} that should be 0: a mask is lost."
    if (agree | missing).all() and (np.abs(claimed) > level).any():
        kept = np.flatnonzero((np.abs(claimed) > level).reshape(len(claimed), -1).any(axis=1)) if claimed.ndim else np.zeros(0)
        if claimed.ndim and len(kept) == 1 and len(claimed) > 1 and kept[0] in (0, len(claimed) - 1):
            return f"Only the {'last' if kept[0] else 'first'} row is there, all others are 0."
        return f"It is right but for {_count(missing)} where it is 0 and should not be."
    return ""


def _rows(claimed: FloatArray, right: FloatArray, within: FloatArray | None) -> str:
    """A factor of its own in each row, or right in the first or last rows alone."""
    if claimed.ndim == 0 or len(claimed) < 2:
        return ""
    factors = [_factor(one, other) for one, other in zip(claimed, right, strict=True)]
    good = [factor is not None and abs(factor - 1) < CLOSE for factor in factors]
    if within is not None:
        good = [bool((np.abs(one - other) <= room).all()) for one, other, room in zip(claimed, right, within, strict=True)]
    if good[0] and not any(good[1:]):
        return "The first row is right, the rows after it are not."
    if good[-1] and not any(good[:-1]):
        return "The last row is right, those before it are not."
    explained = (factor is not None and _explains(factor, *pair) for factor, *pair in zip(factors, claimed, right, strict=True))
    if claimed[0].size > 1 and all(explained):
        return "Each row is a multiple of the right one, every row another."
    return ""


def _count(mask: NDArray[np.bool_]) -> str:
    number = int(mask.sum())
    return "one element" if number == 1 else f"{number} elements"
