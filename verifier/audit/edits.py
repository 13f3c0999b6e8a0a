"""An edit of arrays, as data: what a mutant does to a gradient or a cotangent. Applied to NumPy arrays here, to a framework's in `kits`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verifier.arrays import Array


@dataclass(frozen=True)
class Edit:
    """Applied in the order of its fields.

    Attributes:
        source: which array is taken in place of this one.
        index: for each element, in order, the flat position that it is taken from.
        factor: one number, or one for each element.
        plus: added, one number for each element.
        constant: put in place of everything.
        fill: where the mask is true this number stands.
        narrow: the values are rounded to this type ("float32", "bfloat16").
    """

    source: int | None = None
    index: Array | None = None
    factor: float | Array | None = None
    plus: Array | None = None
    constant: Array | None = None
    fill: tuple[Array, float] | None = None
    narrow: str | None = None


def edited(edit: Edit, arrays: Sequence[Array | None], position: int) -> Array:
    """The array at this position after the edit; what it was edited from is not written to."""
    origin = arrays[position]
    taken = arrays[edit.source] if edit.source is not None else origin
    assert origin is not None and taken is not None
    array: Array = np.array(taken)
    if edit.index is not None:
        array = array.reshape(-1)[edit.index].reshape(origin.shape)
    if edit.factor is not None:
        array = np.asarray(array * edit.factor, dtype=array.dtype)
    if edit.plus is not None:
        array = array + edit.plus
    if edit.constant is not None:
        array = np.array(edit.constant, dtype=array.dtype)
    if edit.fill is not None:
        array = np.where(edit.fill[0], np.asarray(edit.fill[1], array.dtype), array)
    if edit.narrow is not None:
        array = rounded(array, edit.narrow)
    return array


def rounded(array: Array, narrow: str) -> Array:
    """The values as the narrower type holds them, in the type that they came in."""
    if narrow == "bfloat16":
        bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
        bits = bits + 0x7FFF + ((bits >> 16) & 1)  # to nearest, ties to even
        held = np.where(np.isfinite(array), (bits & 0xFFFF0000).view(np.float32), array)
        return np.asarray(held.reshape(array.shape), array.dtype)
    with np.errstate(over="ignore"):
        return np.asarray(array.astype(narrow), array.dtype)


def differs(before: Array, after: Array) -> bool:
    """Whether any value is another; NaN is NaN, and −0 is 0."""
    return before.shape != after.shape or not np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
