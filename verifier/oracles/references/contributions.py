"""A gradient that keeps one of several contributions: overlapping windows, repeated rows, a batch, heads that share their keys.

What each place along a dimension of the output contributes is the reference's gradient for a cotangent that is 0 everywhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from verifier.arrays import Array
from verifier.oracles.references.judging import Judge
from verifier.oracles.references.points import cotangents_for, point
from verifier.oracles.references.space import Case

MOST_PLACES = 200  # of an output along its dimensions: each is one more gradient of the reference
ALIKE = 1e-4  # of the largest element, as for the other mistakes that are named
ADDED = "add (+=), do not overwrite"
ANOTHER = 1000  # seeds further on nothing of a search's own is drawn

Claimed = Callable[[Case, Sequence[Array]], Array | None]


def one_contribution(name: str, claimed: Array, judge: Judge, case: Case, claims_at: Claimed) -> str:
    """A sentence where all that an element gets is what the last, or first, of several places adds; "" where that does not hold.

    Args:
        claims_at: what the candidate claims of this tensor at another case, for these cotangents; a mistake has to hold there as well.
    """
    if claimed.size < 2:
        return ""
    other = replace(case, seed=case.seed + ANOTHER, axes={**case.axes, "cotangent": "signed"})
    for axes in _dimensions(judge, case):
        for order, word in ((-1, "last"), (0, "first")):
            kept = _kept(name, judge, case, axes, order)
            if kept is None or not _alike(claimed, kept):
                continue
            again = _kept(name, judge, other, axes, order)
            elsewhere = claims_at(other, _cotangents(judge, other))
            if again is not None and elsewhere is not None and _alike(elsewhere, again):
                where = " and ".join(map(str, axes))
                plural = "s" if len(axes) > 1 else ""
                return (
                    f"Where several places along dimension{plural} {where} of the output contribute to an element, only the {word} counts: "
                    f"{ADDED}."
                )
    return ""


def _cotangents(judge: Judge, case: Case) -> list[Array]:
    try:
        return cotangents_for(judge.truth_at(point(judge.sources, case), case).plain(None)[0], case)
    except Exception:  # outside of the reference's domain
        return []


def _dimensions(judge: Judge, case: Case) -> list[tuple[int, ...]]:
    """Each dimension of the only output, then the last two together, where there are not too many places."""
    cotangents = _cotangents(judge, case)
    if len(cotangents) != 1:
        return []
    shape = cotangents[0].shape
    alone: list[tuple[int, ...]] = [(axis,) for axis in range(len(shape))]
    together = [(len(shape) - 2, len(shape) - 1)] if len(shape) > 1 else []
    return [axes for axes in (*alone, *together) if 1 < int(np.prod([shape[axis] for axis in axes])) <= MOST_PLACES]


def _kept(name: str, judge: Judge, case: Case, axes: tuple[int, ...], order: int) -> Array | None:
    """What the last (or first) place along these dimensions contributes to each element; None where no element has two."""
    truth, cotangents = judge.truth_at(point(judge.sources, case), case), _cotangents(judge, case)
    if len(cotangents) != 1 or cotangents[0].ndim <= max(axes):
        return None
    (cotangent,) = cotangents
    kept, count = None, None
    places = list(product(*(range(cotangent.shape[axis]) for axis in axes)))
    for place in places if order else reversed(places):
        here = np.zeros(cotangent.shape, dtype=bool)
        here[tuple(place[axes.index(axis)] if axis in axes else slice(None) for axis in range(cotangent.ndim))] = True
        try:
            share = truth.plain([np.where(here, cotangent, 0.0)])[1][name]
        except Exception:  # a reference that takes no such cotangent
            return None
        kept = share if kept is None else np.where(share != 0, share, kept)
        count = (share != 0) + (0 if count is None else count)
    return kept if count is not None and (count > 1).any() else None


def _alike(one: Array, other: Array) -> bool:
    return one.shape == other.shape and bool(other.any()) and bool(np.abs(one - other).max() <= ALIKE * np.abs(other).max())
