"""Two computations of one thing, one of them rounded: is their difference what rounding does?

Neither computation can be disturbed from inside, so both are asked again beside the point, at inputs moved in their last bits. Where the
difference is rounding it takes another value each time; that of a wrong formula, or of a constant with too few digits, stays. How much it
wanders is the *scatter* of the two, the last bit of the result at least; the tolerance follows from it as everywhere
(`tolerance.element_tolerance`). It is stochastic arithmetic with the inputs alone perturbed (CESTAC, Vignes 1978; docs/tolerance.md).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from verifier.arrays import FloatArray, norm
from verifier.tolerance import Comparison, compare, element_tolerance

# Relative moves of the inputs: of last bits, so that each later rounding differs. Not further: a wrong term that varies would hide.
LAST_BITS = 4.0
MORE_BITS = 64.0, 2.0**14  # of moves that tell whether a difference stays
TREADS = 2.0 ** np.arange(-9, 3, 2)  # of an element's own size: how wide a stair of its rounding may be, from the largest such move up
FOLLOWED = 0.25  # of the right outputs' movement: a rounded computation that is off by less moves as they do
MOST_OUTLIERS = 16  # elements of one array that are asked about so
COPIES = 8

Arrays = Mapping[str, FloatArray]
Pair = tuple[Arrays, Arrays]
"""(claimed, right) by name."""
Outputs = Callable[[Arrays], tuple[FloatArray, FloatArray]]
"""Both computations' outputs at these inputs, in one row each."""


def compare_by_jitter(
    gradients: Pair,
    ask: Callable[[Arrays], Pair],
    outputs: Outputs,
    inputs: Arrays,
    rounded: Callable[[Arrays], Arrays],
    *,
    epsilon: float,
    floors: Mapping[str, float],
) -> dict[str, Comparison]:
    """The worst element of each array in which the two computations differ, held to how much their difference wanders.

    Args:
        gradients: of both computations at the point.
        ask: both computations beside it; where it raises, that point is left out.
        outputs: those whose gradients the two are, of both.
        inputs: the point.
        rounded: takes inputs to the nearest that the function's type holds.
        epsilon: of the claimed computation.
        floors: by array, what its elements may be off in any case.
    """
    claimed, right = gradients
    nearby = list(_elsewhere(ask, inputs, rounded, (LAST_BITS * epsilon,) * COPIES))
    further: list[Pair] = []
    found = {}
    for name, reference in right.items():
        scatter = _wandering(claimed[name] - reference, _apart(name, nearby))
        scatter = np.maximum(scatter, epsilon * np.abs(reference)) + floors.get(name, 0.0)
        comparison = compare(claimed[name], reference, element_tolerance(scatter, _longest(inputs)))
        for _ in range(MOST_OUTLIERS):
            if comparison is None or comparison.within or not np.isfinite(comparison.error):
                break
            if not further:
                further = list(_elsewhere(ask, inputs, rounded, [reach * epsilon for reach in MORE_BITS for _ in range(COPIES)]))
            index = comparison.index
            # Where the right gradient is another one, a difference has no reason to stay.
            alike = [pair for pair in further if abs(pair[1][name][index] - reference[index]) <= abs(reference[index]) / 4]
            shares = np.array([share[index] for share in _apart(name, alike)])
            share = (claimed[name] - reference)[index]
            if not _persists(share, shares):
                # Rounding is in steps in some forms (1 - cos x), which moves of a few bits do not always take.
                scatter[index] = max(float(scatter[index]), float(np.abs(shares - share).max()))
            elif _is_of_a_point_on_the_stair(float(claimed[name][index]), ask, outputs, inputs, name, index):
                scatter[index] = max(float(scatter[index]), abs(float(share)))
            else:
                break
            comparison = compare(claimed[name], reference, element_tolerance(scatter, _longest(inputs)))
        if comparison is not None:
            found[name] = comparison
    return found


def _persists(share: float, shares: FloatArray) -> bool:
    """Whether a difference stays where more bits of the inputs change; that of rounding takes another value, or sign, each time."""
    known = shares[np.isfinite(shares)]
    return len(known) == 0 or bool((known * np.sign(share) >= abs(share) / 4).all())


def _is_of_a_point_on_the_stair(
    claimed: float, ask: Callable[[Arrays], Pair], outputs: Outputs, inputs: Arrays, name: str, index: tuple[int, ...]
) -> bool:
    """Whether the claim is the right gradient of a point that rounding does not tell from this one.

    x + 1e6 in float32 takes every x to the nearest sixteenth: its outputs stand still, or jump, where the right ones move, and its gradient
    is that of a point up to a whole stair away.
    """
    tread = _tread(outputs, inputs, name, index)
    if tread == 0:
        return False
    beside = [float(right[name][index]) for _, right in _elsewhere(ask, inputs, lambda moved: moved, (tread,) * 4 * COPIES)]
    return bool(beside) and min(beside) <= claimed <= max(beside)


def _tread(outputs: Outputs, inputs: Arrays, name: str, index: tuple[int, ...]) -> float:
    """The shortest relative move of an element, up to 4, that the rounded outputs follow; 0 where they follow moves of `MORE_BITS`."""
    own, right = outputs(inputs)
    size = abs(float(inputs[name][index])) or float(np.abs(inputs[name]).max(initial=0.0))
    for tread in TREADS:
        followed = []
        for sign in (1.0, -1.0):
            moved = {**inputs, name: inputs[name].copy()}
            moved[name][index] += sign * tread * size
            try:
                own_there, right_there = outputs(moved)
            except Exception:  # outside of the function's domain
                continue
            apart = norm((own_there - own) - (right_there - right))
            followed.append(apart <= FOLLOWED * norm(right_there - right))
        if all(followed):
            return float(tread) if tread > TREADS[0] else 0.0
    return float(TREADS[-1])


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


def _apart(name: str, pairs: Sequence[Pair]) -> list[FloatArray]:
    return [one[name] - other[name] for one, other in pairs]


def _wandering(share: FloatArray, others: Sequence[FloatArray]) -> FloatArray:
    """How far the share of each element goes from what it is at the point; infinite where too few other points say."""
    if not others:
        return np.full(share.shape, np.inf)
    wandered, known = np.zeros(share.shape), np.zeros(share.shape, dtype=int)
    for other in others:
        with np.errstate(all="ignore"):
            apart = np.abs(other - share)
        finite = np.isfinite(apart)
        known += finite
        np.maximum(wandered, apart, out=wandered, where=finite)
    return np.where(known * 2 >= len(others), wandered, np.inf)


def _longest(inputs: Arrays) -> int:
    return max((size for array in inputs.values() for size in array.shape), default=1)
