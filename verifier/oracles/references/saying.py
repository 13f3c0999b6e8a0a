"""A failure in words: which tensor, where in it, only with what, by which mistake; one line first, the numbers below."""

from collections.abc import Mapping

import numpy as np
import torch

from verifier.oracles.functions.relations import relation
from verifier.oracles.references.candidate import Array
from verifier.oracles.references.judging import Judge, Wrong
from verifier.oracles.references.points import point
from verifier.oracles.references.search import Searched
from verifier.oracles.references.space import Case
from verifier.tolerance import SOURCE

SOURCE_NARROW = "5 x what copies reach that round as right code does"


def in_words(found: Searched, judge: Judge, seed: int) -> str:
    """The message of a failure."""
    wrong, case = found.wrong, found.case
    assert wrong is not None and case is not None
    only = f", only with {' and '.join(found.needed)}" if found.needed else ""
    lines = [f"{wrong.text}{only}."]
    if wrong.claimed is not None and wrong.right is not None and wrong.tolerance is not None:
        lines += _numbers(wrong, judge, case)
    sizes = ", ".join(f"{name} = {size}" for name, size in case.sizes.items())
    options = ", ".join(f"{name} = {value!r}" for name, value in case.options.items())
    lines.append(f"Smallest case: {'; '.join(part for part in (sizes, options) if part) or 'the examples'}; found with seed={seed}.")
    return "\n".join(lines)


def _numbers(wrong: Wrong, judge: Judge, case: Case) -> list[str]:
    assert wrong.claimed is not None and wrong.right is not None and wrong.tolerance is not None
    with np.errstate(all="ignore"):
        error = np.abs(wrong.claimed - wrong.right)
        beyond = ~(error <= wrong.tolerance)
        ratio = np.where(beyond, np.where(np.isfinite(error), error / np.maximum(wrong.tolerance, 1e-300), np.inf), 0.0)
    place = tuple(int(axis) for axis in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
    claimed, right = wrong.claimed[place], wrong.right[place]
    name = wrong.tensor if wrong.what == "output" else f"the gradient of {wrong.tensor}"
    if wrong.narrow and not beyond.any():
        return []  # what is wrong shows in many elements together
    mistake = "" if wrong.narrow else _mistake(wrong, judge, case)
    where = _region(beyond, wrong, judge, case)
    lines = [mistake] if mistake else []
    lines += [where] if where else []
    lines.append(
        f"{name}{list(place) if place else ''} = {claimed:.9g}, should be {right:.9g}; "
        f"{int(beyond.sum())} of {beyond.size} elements are wrong. "
        f"Error {error[place]:.2g}, tolerance {wrong.tolerance[place]:.2g} = {SOURCE_NARROW if wrong.narrow else SOURCE}."
    )
    return lines


def _mistake(wrong: Wrong, judge: Judge, case: Case) -> str:
    """Held against what known mistakes would give at this case."""
    assert wrong.claimed is not None and wrong.right is not None
    claimed = np.asarray(wrong.claimed)
    if wrong.what == "output":
        return "The gradient may be right, but of another function." if not np.isnan(claimed).any() else "It is not finite."
    if np.isnan(claimed).any():
        poison = case.axis("usage") == "poisoned memory"
        return "It holds numbers that were never written." if poison else f"{int(np.isnan(claimed).sum())} elements are NaN."
    tensors = point(judge.sources, case)
    truth = judge.truth_at(tensors, case)
    try:
        outputs = truth.plain(None)[0]
        _, ones = truth.plain([np.ones(one.shape) for one in outputs])
        first = [np.broadcast_to(c[:1], c.shape) if c.ndim else c for c in wrong.cotangents]
        _, of_row = truth.plain(first)
        _, all_right = truth.plain(wrong.cotangents)
    except Exception:  # a reference that takes no such cotangent has nothing to compare with
        return ""
    if wrong.tensor in ones:
        if _same(claimed, ones[wrong.tensor]) and not _same(wrong.right, ones[wrong.tensor]):
            return "It is the gradient for a cotangent of ones: the cotangent is not used."
        if _same(claimed, of_row[wrong.tensor]) and not _same(wrong.right, of_row[wrong.tensor]):
            return "It is scaled by the first row's cotangent in all rows."
    # Exchanged are two where each has the other's: one that happens to look like another's is not.
    others = {
        name: one
        for name, one in all_right.items()
        if name != wrong.tensor and name in wrong.claims and _same(np.asarray(wrong.claims[name]), np.asarray(wrong.right))
    }
    dtype = np.float64 if claimed.dtype.kind != "c" else np.complex128
    if dtype is np.complex128:
        conjugate = _same(claimed, np.conj(wrong.right)) and not _same(claimed, np.asarray(wrong.right))
        return "It is the complex conjugate of the right one." if conjugate else ""
    cotangents = [np.asarray(one, dtype=np.float64) for one in wrong.cotangents if one.dtype.kind != "c"]
    return relation(claimed.astype(np.float64), np.asarray(wrong.right, dtype=np.float64), case.sizes, others=others, cotangents=cotangents)


def _same(one: Array, other: Array) -> bool:
    if one.shape != other.shape or not other.any():
        return False
    return bool(np.abs(one - other).max() <= 1e-4 * np.abs(other).max())


def _region(beyond: Array, wrong: Wrong, judge: Judge, case: Case) -> str:
    """Where the wrong elements lie, where that can be said in a few words."""
    if beyond.all() or beyond.ndim == 0 or wrong.what == "output":
        return ""
    values = point(judge.sources, case)[wrong.tensor]
    seen = _by_value(beyond, values)
    if seen:
        return f"It is wrong {seen}."
    for axis, count in enumerate(beyond.shape):
        along = beyond.any(axis=tuple(one for one in range(beyond.ndim) if one != axis))
        rows = np.flatnonzero(along)
        what = "rows" if axis == 0 and beyond.ndim > 1 else f"places of dimension {axis}" if beyond.ndim > 1 else "elements"
        if count > 1 and 0 < len(rows) < count:
            one = "row" if what == "rows" else f"place of dimension {axis}" if beyond.ndim > 1 else "element"
            if len(rows) == 1 and rows[0] in (0, count - 1):
                return f"It is wrong in the {'last' if rows[0] else 'first'} {one}."
            if rows[0] > 0 and len(rows) == count - rows[0]:
                return f"It is wrong in the {what} from {rows[0]} on."
            if rows[-1] < count - 1 and len(rows) == rows[-1] + 1:
                return f"It is wrong in the {what} up to {rows[-1]}."
    return ""


def _by_value(beyond: Array, values: torch.Tensor) -> str:
    if values.is_complex() or not values.is_floating_point() or tuple(values.shape) != beyond.shape:
        return ""
    array = values.double().cpu().numpy()
    tests: Mapping[str, Array] = {"where it is 0": array == 0, "where it is negative": array < 0, "where it is positive": array > 0}
    return next((words for words, mask in tests.items() if mask.any() and np.array_equal(beyond, mask)), "")
