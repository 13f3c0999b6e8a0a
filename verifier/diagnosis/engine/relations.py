"""How a wrong gradient of one operation relates to the right one: a sentence, where the same relation holds in every question."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verifier.arrays import FloatArray

ALIKE = 0.05  # naming only: rounding hides the digits of a number of 1e-12
LARGEST_ADDED = 0.01
NEAR = 1e-5  # naming only: a relation of a few digits is no chance, and float32 keeps them


@dataclass(frozen=True)
class Observation:
    """One wrong gradient of one operation.

    Attributes:
        operation, feature, operand: whose it is, and what was special about the question.
        claimed, right: in the operand's shape, where the shapes fit; else `claimed` in its own.
        cotangent: what ran back into the operation, in the shape of its value.
        value: of the operation; `operands`: theirs, by name.
        others: the right gradients of the other operands.
        slope: the right derivative of an operation of one operand, element by element; where the value is wrong.
        assigned: of an operation that reads by an index, the gradient if the cotangent is assigned there, not added.
        first_twice: of a value that is both operands, twice what the first one gets.
    """

    operation: str
    feature: str
    operand: str
    claimed: FloatArray
    right: FloatArray
    cotangent: FloatArray | None
    value: FloatArray
    operands: Mapping[str, FloatArray]
    others: Mapping[str, FloatArray]
    slope: FloatArray | None = None
    assigned: FloatArray | None = None
    first_twice: FloatArray | None = None


Relation = tuple[str, str, Callable[[Observation], FloatArray | float | None]]


def _of_cotangent(function: Callable[[Observation, FloatArray], FloatArray]) -> Callable[[Observation], FloatArray | None]:
    """A relation that needs the cotangent in the operand's shape."""

    def predicted(seen: Observation) -> FloatArray | None:
        if seen.cotangent is None or (seen.cotangent.shape != seen.right.shape and seen.cotangent.size != 1):
            return None
        return function(seen, np.asarray(np.broadcast_to(seen.cotangent, seen.right.shape)))

    return predicted


def _one_number(seen: Observation) -> float | None:
    """The number that every element has, where the right ones differ."""
    first = float(seen.claimed.flat[0]) if seen.claimed.size > 1 else None
    return None if first is None or near(float(seen.right.flat[0]), seen.right) else first


def _slope(seen: Observation, cotangent: FloatArray) -> FloatArray:
    return np.asarray(seen.right / cotangent)


RELATIONS: Sequence[Relation] = (
    ("zero", "is zero", lambda seen: 0.0),
    ("sign", "has the wrong sign", lambda seen: -seen.right),
    ("cotangent-dropped", "does not depend on the cotangent: it is the derivative alone", _of_cotangent(_slope)),
    (
        "derivative-dropped",
        "is the cotangent itself: the operation's derivative is missing",
        _of_cotangent(lambda seen, cotangent: cotangent),
    ),
    (
        "value-for-derivative",
        "has the operation's value in place of its derivative",
        _of_cotangent(lambda seen, cotangent: cotangent * seen.value),
    ),
    (
        "operand-for-derivative",
        "has the operand in place of the derivative",
        _of_cotangent(lambda seen, cotangent: cotangent * seen.operands[seen.operand]),
    ),
    (
        "derivative-inverted",
        "divides by the derivative instead of multiplying with it",
        _of_cotangent(lambda seen, cotangent: np.asarray(cotangent / _slope(seen, cotangent))),
    ),
    (
        "derivative-twice",
        "multiplies with the derivative twice",
        _of_cotangent(lambda seen, cotangent: seen.right * _slope(seen, cotangent)),
    ),
    ("transposed", "is transposed", lambda seen: seen.right.T if seen.right.ndim > 1 else None),
    ("negative-cotangent", "is the cotangent with the other sign", _of_cotangent(lambda seen, cotangent: -cotangent)),
    (
        "index-overwritten",
        "keeps one contribution where an index is repeated: add them all, as np.add.at does",
        lambda seen: seen.assigned,
    ),
    ("one-number", "is one number for all elements", lambda seen: _one_number(seen)),
    ("first-twice", "counts what it gets as the first operand twice, where it is both", lambda seen: seen.first_twice),
)


def relation_of(observations: Sequence[Observation]) -> tuple[str, str]:
    """A name and a sentence's end for what is wrong: the first relation that holds in all observations, else a region or a factor."""
    fitting = [one for one in observations if one.claimed.shape == one.right.shape]
    if not fitting:
        return "shape", "has another shape than the operand"
    if any(not np.all(np.isfinite(one.claimed)) for one in fitting):
        return "not-finite", "is not finite where the derivative exists"
    with np.errstate(all="ignore"):
        for name, words, predict in RELATIONS:
            if all(near(predict(one), one.claimed) for one in fitting):
                return name, words
        for one in fitting:
            others = [other for other, right in one.others.items() if near(right, one.claimed)]
            if others and len(fitting) > 1 and all(any(near(right, each.claimed) for right in each.others.values()) for each in fitting):
                return "operands-exchanged", f"is that of {others[0]}"
        factor = _factor(fitting)
        if factor is not None:
            return "factor", f"is {factor:.4g} times what it should be"
        by_size = _factors(fitting)
        if by_size:
            listed = ", ".join(f"{number:.4g} for shape {shape}" for shape, number in list(by_size.items())[:3])
            return "factor-by-size", f"is off by a factor that depends on the sizes ({listed})"
    return "other", _region(fitting)


def value_relation_of(observations: Sequence[Observation]) -> str:
    """A sentence's end for a wrong value: a small number added to the operand, a factor, another shape; else that it is wrong."""
    fitting = [one for one in observations if one.claimed.shape == one.right.shape]
    if not fitting:
        return f"has shape {observations[0].claimed.shape}, should have {observations[0].right.shape}"
    added = _added(fitting)
    if added is not None:
        return f"is that of an operand with {added:.3g} added (if that is meant, leave it out of the table)"
    if all(near(-one.right, one.claimed) for one in fitting):
        return "has the wrong sign"
    factor = _factor(fitting)
    if factor is not None:
        return f"is {factor:.4g} times what it should be"
    region = _region([replace(one, operand=next(iter(one.operands), "")) for one in fitting if len(one.operands) < 2])
    return region if "operand" in region else "is wrong"


def _added(observations: Sequence[Observation]) -> float | None:
    """The small number ε of f(a + ε), where one explains all values: (claimed − right) / f'(a), the same everywhere."""
    found = []
    for one in observations:
        if one.slope is None or one.slope.shape != one.right.shape:
            return None
        found.append(np.ravel((one.claimed - one.right)[one.slope != 0] / one.slope[one.slope != 0]))
    shifts = np.concatenate(found)
    middle = float(np.median(shifts)) if shifts.size else 0.0
    alike = bool(np.all(np.abs(shifts - middle) <= ALIKE * abs(middle)))
    return middle if alike and 0 < abs(middle) < LARGEST_ADDED else None


def averaged(seen: Observation) -> FloatArray:
    """The gradient of a stretched operand that is a mean over its copies where it should be their sum."""
    return np.asarray(seen.right * (max(1, seen.right.size) / max(1, seen.value.size)))


def near(predicted: FloatArray | float | None, claimed: FloatArray) -> bool:
    """Whether a prediction is what was claimed, to the digits that a name needs."""
    if predicted is None:
        return False
    numbers = np.broadcast_to(np.asarray(predicted, dtype=np.float64), claimed.shape) if np.ndim(predicted) == 0 else np.asarray(predicted)
    if numbers.shape != claimed.shape or not np.all(np.isfinite(numbers)):
        return False
    return bool(np.all(np.abs(numbers - claimed) <= NEAR * max(1.0, float(np.max(np.abs(numbers), initial=0.0)))))


def _factor(observations: Sequence[Observation]) -> float | None:
    ratios = np.concatenate([np.ravel(one.claimed[one.right != 0] / one.right[one.right != 0]) for one in observations])
    if ratios.size < 2 or not np.all(np.isfinite(ratios)):
        return None
    middle = float(np.median(ratios))
    return middle if np.all(np.abs(ratios - middle) <= 10 * NEAR * abs(middle)) else None


def _factors(observations: Sequence[Observation]) -> dict[tuple[int, ...], float]:
    """By the operand's shape the factor that every element is off by, where each question has one; none where a size has two."""
    found: dict[tuple[int, ...], float] = {}
    for one in observations:
        factor = _factor([one])
        if factor is None or abs(found.setdefault(one.right.shape, factor) - factor) > 10 * NEAR * abs(factor):
            return {}
    return found if len(found) > 1 else {}


def _region(observations: Sequence[Observation]) -> str:
    """Where it is wrong, by the operand's own values; or only where it was asked in some way."""
    wrong, right = [], []
    for one in observations:
        operand = one.operands.get(one.operand)
        if operand is None or operand.shape != one.right.shape:
            continue
        bad = np.abs(one.claimed - one.right) > NEAR * np.max(np.abs(one.right), initial=1e-30)
        wrong += operand[bad].tolist()
        right += operand[~bad].tolist()
    if wrong and right:
        if max(wrong) < min(right):
            return "is wrong where the operand is small" if max(wrong) > 0 else "is wrong where the operand is negative"
        if min(wrong) > max(right):
            return "is wrong where the operand is large" if min(wrong) < 0 else f"is wrong where the operand is above {max(right):.3g}"
    features = ", ".join(dict.fromkeys(one.feature for one in observations))
    if all(len({size for operand in one.operands.values() for size in operand.shape}) == 1 for one in observations):
        return f"is wrong where all sizes are equal ({features})"
    return f"is wrong ({features})"
