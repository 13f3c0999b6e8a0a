"""Where the wrong elements of a gradient lie, where that can be said in a few words: by value, by mask, by index, by place."""

from collections.abc import Mapping

import numpy as np
import torch

from verifier.arrays import Array
from verifier.oracles.references.judging import Judge, Wrong
from verifier.oracles.references.points import point
from verifier.oracles.references.space import Case

MOST = 0.8  # of a region is wrong where it is said to be: single elements of it may be right by chance
REPEATED = "an index more than once: one contribution overwrites another"
TILES = (128, 64, 32, 16)


def region(beyond: Array, wrong: Wrong, judge: Judge, case: Case) -> str:
    """One sentence, "" where nothing short holds."""
    if beyond.all() or beyond.ndim == 0 or wrong.what == "output":
        return ""
    tensors = point(judge.sources, case)
    ways = (
        _by_value(beyond, tensors[wrong.tensor]),
        _by_mask(beyond, tensors, judge),
        _by_index(beyond, tensors, judge, case),
        _by_place(beyond),
    )
    return next((f"It is wrong {words}." for words in ways if words), "")


def _is(beyond: Array, here: Array) -> bool:
    """Whether what is wrong lies in a region, and is most of it."""
    return bool(0 < here.sum() < here.size and not (beyond & ~here).any() and beyond.sum() >= MOST * here.sum())


def _by_value(beyond: Array, values: torch.Tensor) -> str:
    if values.is_complex() or not values.is_floating_point() or tuple(values.shape) != beyond.shape:
        return ""
    array = values.double().cpu().numpy()
    tests: Mapping[str, Array] = {
        "where it is 0": array == 0,
        "where it is negative": array < 0,
        "where it is positive": array > 0,
        "at ties": _ties(array),
        "at ties for the largest of a row": _ties(array) & (array == array.max(-1, keepdims=True, initial=-np.inf)),
        "at ties for the smallest of a row": _ties(array) & (array == array.min(-1, keepdims=True, initial=np.inf)),
    }
    return next((words for words, mask in tests.items() if _is(beyond, mask)), "")


def _ties(values: Array) -> Array:
    """Elements that have an equal one in their row."""
    rows = values.reshape(-1, values.shape[-1])
    return np.asarray((rows[:, :, None] == rows[:, None, :]).sum(-1) > 1).reshape(values.shape)


def _by_mask(beyond: Array, tensors: Mapping[str, torch.Tensor], judge: Judge) -> str:
    for name, source in judge.sources.items():
        if source.domain not in ("booleans", "mask"):
            continue
        held = (tensors[name] != 0).cpu().numpy()
        more = (1,) * (beyond.ndim - held.ndim)
        for shaped in (held, held.reshape(*held.shape, *more)):  # a mask of rows stands at the front
            try:
                here = np.broadcast_to(shaped, beyond.shape)
            except ValueError:
                continue
            for words, mask in ((f"where {name} is off", ~here), (f"where {name} is on", here)):
                if _is(beyond, mask):
                    return words
    return ""


def _by_index(beyond: Array, tensors: Mapping[str, torch.Tensor], judge: Judge, case: Case) -> str:
    for name, tensor in tensors.items():
        if tensor.dtype == torch.bool or tensor.is_floating_point() or tensor.is_complex():
            continue
        held, rule = tensor.cpu().numpy().ravel(), judge.sources[name].rule
        below = int(rule[0].value(case.values)) if rule else len(beyond)
        for axis, count in enumerate(beyond.shape):
            if count != below or (axis and not rule):
                continue  # what it counts is not this dimension
            along = np.asarray(beyond.any(axis=tuple(one for one in range(beyond.ndim) if one != axis)))
            met = np.bincount(np.where(held < 0, held + count, held).clip(0, count - 1), minlength=count) > 1
            if _is(along, met):
                return f"where {name} says {REPEATED}"
    return ""


def _by_place(beyond: Array) -> str:
    for axis, count in enumerate(beyond.shape):
        along = beyond.any(axis=tuple(one for one in range(beyond.ndim) if one != axis))
        rows = np.flatnonzero(along)
        many, one = ("rows", "row") if axis == 0 and beyond.ndim > 1 else (f"places of dimension {axis}", f"place of dimension {axis}")
        many, one = (many, one) if beyond.ndim > 1 else ("elements", "element")
        if count < 2 or not 0 < len(rows) < count:
            continue
        tile = next((size for size in TILES if rows[0] and rows[0] % size == 0 and count - rows[0] <= size), 0)
        more = f", the last tile of {tile}" if tile and len(rows) == count - rows[0] else ""
        if len(rows) == 1 and rows[0] in (0, count - 1):
            return f"in the {'last' if rows[0] else 'first'} {one}{more}"
        if rows[0] > 0 and len(rows) == count - rows[0]:
            return f"in the {many} from {rows[0]} on{more}"
        if rows[-1] < count - 1 and len(rows) == rows[-1] + 1:
            return f"in the {many} up to {rows[-1]}"
    return ""
