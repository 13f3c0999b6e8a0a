"""A gradient that is right in another place: numbers moved by a reshape, and the slopes of other elements than the forward pass's.

Each is a function of one array's name and the cases in which its gradient is wrong, as in `relations`.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.case import LOOSE, Case
from verifier.diagnosis.layer.regions import Mask

TELLING = 6  # elements that two slopes have together, and
DIFFER = 2  # of them that have another one's: fewer say nothing of a mask


def reshaped(name: str, cases: Sequence[Case]) -> str | None:
    """All numbers are there, in the places of another order of axes: a reshape where axes are to be moved."""
    rank = cases[0].claimed[name].ndim
    if rank < 2 or any(case.claimed[name].ndim != rank for case in cases):
        return None
    for order in list(permutations(range(rank)))[1:]:
        for there in (True, False):
            if all(case.close(name, case.claimed[name], _moved(case.right[name], order, there=there)) for case in cases):
                return "has the right numbers in other places: it is reshaped where its axes have to be moved (transpose)"
    return None


def _moved(right: FloatArray, order: tuple[int, ...], *, there: bool) -> FloatArray:
    if there:
        return right.transpose(order).reshape(right.shape)
    return right.reshape([right.shape[axis] for axis in order]).transpose(np.argsort(order))


def other_places(name: str, cases: Sequence[Case]) -> str | None:
    """The same, of whatever order."""
    telling = max(len(np.unique(case.right[name])) for case in cases)
    if telling >= TELLING and all(
        case.close(name, np.sort(case.claimed[name], axis=None), np.sort(case.right[name], axis=None)) for case in cases
    ):
        return "has the right numbers in other places"
    return None


def of_another_mask(name: str, cases: Sequence[Case]) -> str | None:
    """Of a function of one element each with two slopes: those of the claim are at other elements."""
    slopes = [_two_slopes(case, name) for case in cases]
    known = [slope for slope in slopes if slope is not None]
    if len(known) < len(slopes):
        return None
    right, claimed, positive = (np.concatenate(parts) for parts in zip(*known, strict=True))
    if right.size < TELLING or int((right != claimed).sum()) < DIFFER:
        return None
    if not (right == claimed).any():
        return "has its two slopes exchanged: the mask is inverted"
    if (claimed == positive).all():
        return "takes its slope from the sign of dout, where that of the input belongs"
    return "lets other elements through than the forward pass does: its mask is another one, as if it were drawn anew"


def _two_slopes(case: Case, name: str) -> tuple[Mask, Mask, Mask] | None:
    """Whether each element has the larger slope: rightly, and as claimed; whether its cotangent is positive. None: not two."""
    jacobian = case.jacobians[name]
    if jacobian.shape[0] != jacobian.shape[1] or jacobian.shape[0] < 2:
        return None
    bound = LOOSE * case.closeness * float(np.abs(jacobian).max(initial=0.0))
    slopes = np.diag(jacobian)
    low, high = float(slopes.min()), float(slopes.max())
    with np.errstate(all="ignore"):
        claimed = case.claimed[name].ravel() / case.cotangent
    if high - low <= bound or (np.abs(jacobian - np.diag(slopes)) > bound).any():
        return None
    for one in (slopes, claimed):
        if not np.all((np.abs(one - low) <= bound) | (np.abs(one - high) <= bound)):
            return None
    return np.abs(slopes - high) <= bound, np.abs(claimed - high) <= bound, case.cotangent > 0


def scale_of_a_mask(name: str, cases: Sequence[Case], factor: float) -> str | None:
    """Where the forward pass drops some elements and scales the others by c, a claim that is 1/c or c times the right one."""
    scales = [_one_scale(case, name) for case in cases]
    known = [scale for scale, _ in filter(None, scales)]
    loose = LOOSE * cases[0].closeness
    if len(known) < len(scales) or np.ptp(known) > loose * known[0] or not any(drops for _, drops in filter(None, scales)):
        return None
    whole = f"{known[0]:.4g}, by which the forward pass multiplies what it keeps"
    if abs(factor * known[0] - 1) < loose:
        return f"has the mask alone: the factor {whole}, is missing"
    return f"has the factor {whole}, twice" if abs(factor / known[0] - 1) < loose else None


def _one_scale(case: Case, name: str) -> tuple[float, bool] | None:
    """The slope of all elements that have one, of a function of one element each, and whether others have none."""
    jacobian = case.jacobians[name]
    if jacobian.shape[0] != jacobian.shape[1]:
        return None
    slopes = np.diag(jacobian)
    largest = float(slopes.max(initial=0.0))
    bound = LOOSE * case.closeness * largest
    kept = np.abs(slopes - largest) <= bound
    alone = bool((np.abs(jacobian - np.diag(slopes)) <= bound).all() and np.all(kept | (np.abs(slopes) <= bound)))
    return (largest, not kept.all()) if alone and largest > 0 else None
