"""Two computations of one thing, one of them rounded: is their difference what rounding does?

Neither computation can be disturbed from inside, so both are asked again at other points: inputs moved in their last bits, and by
ever more, up to half. Where the difference is rounding, its share of the result takes another value each time; a wrong formula or a
constant with too few digits is the same share of it everywhere. How much the share wanders is the *scatter* of the two, the last bit of
the result at least; the tolerance follows from it as everywhere (`tolerance.element_tolerance`). It is stochastic arithmetic with
the inputs alone perturbed (CESTAC, Vignes 1978; docs/tolerance.md).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from verifier.results.evaluation import FloatArray
from verifier.tolerance import Comparison, compare, element_tolerance

# Relative moves of the inputs: of last bits, so that every later rounding falls anew, and far enough to leave a stair of a cancelling part.
LAST_BITS = 4.0
FURTHER = (2.0**-10, 2.0**-5, 2.0**-3, 2.0**-1)
ROUNDS = 2

Arrays = Mapping[str, FloatArray]
Pair = tuple[Arrays, Arrays]
"""(claimed, right) by name."""


def compare_by_jitter(
    ask: Callable[[Arrays], Pair],
    inputs: Arrays,
    rounded: Callable[[Arrays], Arrays],
    *,
    epsilon: float,
    floors: Mapping[str, float],
) -> dict[str, Comparison]:
    """The worst element of each array in which the two computations differ, held to how much their difference wanders.

    Args:
        ask: both computations at these inputs; what it raises elsewhere than at the point itself leaves that point out.
        inputs: the point.
        rounded: takes inputs to the nearest that the function's type holds.
        epsilon: of the claimed computation.
        floors: by array, what its elements may be off in any case.
    """
    claimed, right = ask(inputs)
    nearby = list(_elsewhere(ask, inputs, rounded, (LAST_BITS * epsilon,) * ROUNDS))
    others = nearby + list(_elsewhere(ask, inputs, rounded, FURTHER * ROUNDS))
    found = {}
    for name, reference in right.items():
        scatter = np.maximum(_scatter(name, claimed, right, others), _wandering(claimed[name] - reference, _apart(name, nearby)))
        scatter = np.maximum(scatter, epsilon * np.abs(reference)) + floors.get(name, 0.0)
        comparison = compare(claimed[name], reference, element_tolerance(scatter, _longest(inputs)))
        if comparison is not None:
            found[name] = comparison
    return found


def _elsewhere(
    ask: Callable[[Arrays], Pair], inputs: Arrays, rounded: Callable[[Arrays], Arrays], reaches: Sequence[float]
) -> Iterator[Pair]:
    generator = np.random.default_rng(0)
    for reach in reaches:
        moved = {name: array * (1 + reach * generator.uniform(-1, 1, size=array.shape)) for name, array in inputs.items()}
        try:
            yield ask(rounded(moved))
        except Exception:  # a point that the function does not take (a matrix no longer symmetric) says nothing
            continue


def _scatter(name: str, claimed: Arrays, right: Arrays, others: Sequence[Pair]) -> FloatArray:
    """What the share of the difference wanders, of the result; where that is zero it has no share, and the difference itself counts."""
    reference = right[name]
    share = _wandering(_share(claimed[name], reference), [_share(one[name], other[name]) for one, other in others])
    of_zeros = _wandering(claimed[name] - reference, _apart(name, others))
    with np.errstate(invalid="ignore"):
        return np.where(reference == 0, of_zeros, np.abs(reference) * share)


def _apart(name: str, pairs: Sequence[Pair]) -> list[FloatArray]:
    return [one[name] - other[name] for one, other in pairs]


def _share(claimed: FloatArray, right: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        share: FloatArray = (claimed - right) / np.abs(right)
    return share


def _wandering(share: FloatArray, others: Sequence[FloatArray]) -> FloatArray:
    """How far the share of each element goes from what it is at the point; infinite where too few other points say."""
    if not others:
        return np.full(share.shape, np.inf)
    with np.errstate(all="ignore"):
        apart = np.abs(np.stack(others) - share)
    known = np.isfinite(apart)
    wandered: FloatArray = np.where(known, apart, 0.0).max(axis=0)
    return np.where(known.sum(axis=0) * 2 >= len(others), wandered, np.inf)


def _longest(inputs: Arrays) -> int:
    return max((size for array in inputs.values() for size in array.shape), default=1)
