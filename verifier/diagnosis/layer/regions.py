"""Which elements of a gradient are wrong, in words: a row, a column, an edge, where the input is negative."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.case import LOOSE, Case
from verifier.diagnosis.layer.sizes import constant

Mask = NDArray[np.bool_]
PARTS = {4: "quarter", 3: "third", 2: "half"}  # of an axis, the smallest first: the gates of an LSTM or a GRU lie so
AXES = {1: ("element",), 2: ("row", "column"), 3: ("sample", "step", "feature"), 4: ("sample", "channel", "row", "column")}


def region_of(name: str, cases: Sequence[Case]) -> str:
    """``in the last column only``; "" where every element is wrong, or nothing simple describes those that are."""
    return words_for(name, cases, [_wrong(case, name) for case in cases])


def words_for(name: str, cases: Sequence[Case], masks: Sequence[Mask]) -> str:
    """The same of other elements than those that are wrong."""
    if not masks or all(mask.all() for mask in masks):
        return ""
    places: list[tuple[str, Sequence[Mask | None]]] = [
        (words, [region(case.arrays[name]) for case in cases]) for words, region in _regions(name, cases[0].claimed[name].ndim)
    ]
    for words, regions in [
        *places,
        *((f"{words} only", [_picked(case, name, index, by) for case in cases]) for words, index, by in _picks(cases)),
    ]:
        both = [(mask, there) for there, mask in zip(regions, masks, strict=True) if there is not None]
        if len(both) < len(masks):
            continue
        telling = [(mask, there) for mask, there in both if not there.all()]  # of one row alone, any is the first
        if telling and all(_fits(mask, there) for mask, there in telling):
            return words
    return ""


def is_there(name: str, cases: Sequence[Case]) -> str:
    """What the wrong elements are: ``is zero``, ``is twice what it should be``; ``is wrong`` where nothing simple says it."""
    both = [(case.claimed[name][mask], case.right[name][mask]) for case in cases for mask in [_wrong(case, name)]]
    claimed, right = (np.concatenate(parts) if parts else np.zeros(0) for parts in zip(*both, strict=True))
    if not claimed.any():
        return "is zero"
    factor = float(claimed @ right) / (float(right @ right) or 1.0)
    close = all(
        np.all(np.abs(ours - factor * true) <= LOOSE * case.closeness * case.scale(name))
        for case, (ours, true) in zip(cases, both, strict=True)
    )
    return constant(factor, LOOSE * cases[0].closeness) if close and right.size > len(cases) else "is wrong"


def _wrong(case: Case, name: str) -> Mask:
    largest = float(np.abs(case.right[name]).max(initial=0.0))
    wrong: Mask = np.abs(case.claimed[name] - case.right[name]) > case.closeness * max(largest, 1e-300)
    return wrong


def _fits(wrong: Mask, region: Mask) -> bool:
    """All wrong elements lie in the region, and at least half of it is wrong."""
    return bool(not (wrong & ~region).any() and 2 * (wrong & region).sum() >= region.sum())


def _regions(name: str, rank: int) -> Iterator[tuple[str, Callable[[FloatArray], Mask]]]:
    yield f"where {name} is negative only", lambda array: array < 0
    yield f"where {name} is positive only", lambda array: array > 0
    for axis, word in enumerate(AXES.get(rank, ())):
        yield f"in the first {word} only", partial(_slab, axis, 0)
        yield f"in the last {word} only", partial(_slab, axis, -1)
    for axis, word in enumerate(AXES.get(rank, ())):
        for parts, what in PARTS.items():
            for which in range(parts):
                yield f"in the {_ordinal(which, parts)} {what} of the {word}s only", partial(_part, axis, which, parts)
    for axis, word in enumerate(AXES.get(rank, ())):
        yield f"in {word}s after the first only", partial(_others, axis, 0)
        yield f"in {word}s before the last only", partial(_others, axis, -1)
    if rank == 4:
        yield "at the border of the image only", _border


def _picks(cases: Sequence[Case]) -> Iterator[tuple[str, str, str]]:
    for index in cases[0].indices:
        yield f"in the rows that {index} names", index, "rows"
        yield f"in the column that {index} names", index, "columns"


def _picked(case: Case, name: str, index: str, by: str) -> Mask | None:
    """The rows of a table that whole numbers name, or in each row the column of its label; None where they name no such thing."""
    chosen, below, array = case.indices[index], case.below[index], case.arrays[name]
    mask = np.zeros(array.shape, dtype=np.bool_)
    if by == "rows" and array.ndim and len(array) == below:
        mask[chosen.ravel()] = True
    elif by == "columns" and array.ndim == chosen.ndim + 1 and array.shape == (*chosen.shape, below):
        np.put_along_axis(mask, chosen[..., None], True, axis=-1)
    else:
        return None
    return mask


def _slab(axis: int, position: int, array: FloatArray) -> Mask:
    mask = np.zeros(array.shape, dtype=np.bool_)
    np.moveaxis(mask, axis, 0)[position] = True
    return mask


def _part(axis: int, which: int, parts: int, array: FloatArray) -> Mask:
    """One of so many equal parts of an axis; where it has none, nothing is in it."""
    mask = np.zeros(array.shape, dtype=np.bool_)
    length = array.shape[axis] // parts
    if array.shape[axis] == parts * length:
        np.moveaxis(mask, axis, 0)[which * length : (which + 1) * length] = True
    return mask


def _ordinal(which: int, parts: int) -> str:
    return "last" if which == parts - 1 else ("first", "second", "third")[which]


def _others(axis: int, position: int, array: FloatArray) -> Mask:
    return ~_slab(axis, position, array)


def _border(array: FloatArray) -> Mask:
    mask = np.ones(array.shape, dtype=np.bool_)
    mask[..., 1:-1, 1:-1] = False
    return mask
