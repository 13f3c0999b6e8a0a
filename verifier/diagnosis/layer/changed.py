"""Which single operation of the forward pass explains a wrong gradient: it is the right one of that pass with the operation changed.

The candidate's own forward pass is asked with one operation after another changed (`worker.probing` says how): held, so that nothing comes
back through it; with another factor; with a derivative of 1. A gradient by differences of such a pass is what a certain mistake gives.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.examination import Unanswered
from verifier.checks.layer.asking import LayerAsking, answer_patiently
from verifier.checks.layer.jacobians import STEPS
from verifier.checks.layer.otherwise import Change, changes, slopes
from verifier.checks.layer.raised import Raised
from verifier.diagnosis.layer.case import LOOSE, Case
from verifier.diagnosis.layer.change_in_words import in_words
from verifier.diagnosis.layer.matching import times
from verifier.oracles.finite_difference.directions import direction_for
from verifier.oracles.functions.projection import scale_of

OPERATION = "operation"
FACTORS = ("factor", "factors")
LINES = 6  # along which a change has to hold, on each problem
FIRST_LINES = 3  # along which each is tried
AT_ONCE = 40  # changes in one message
EFFORT = 150_000  # operations of all passes with another factor that are tried for one gradient, along one line
SEARCHED = 4  # gradients of a layer
LIKELY = 24  # that hold along the first lines, and are looked at further
SPARE = 3  # numbers that a relation must explain beside those that it takes from them
TELLING = 1e-3  # of the gradient: what a change must change of it, or a share of it says nothing


@dataclass
class Known:
    """Of one layer: the changes that explain a gradient, and for how many gradients they were searched for."""

    changes: list[Change] = field(default_factory=list)
    searched: int = 0


@dataclass(frozen=True)
class _Asked:
    """One case, asked along lines through its own point."""

    case: Case
    step: float
    directions: Sequence[Mapping[str, FloatArray]]
    cotangents: Mapping[str, FloatArray]
    claimed: FloatArray
    right: FloatArray
    tolerance: FloatArray


def by_changed_operation(name: str, cases: Sequence[Case], asking: LayerAsking, known: Known) -> tuple[str, str] | None:
    """(the mistake's id, the end of a sentence that begins with the gradient's name); None where no change holds on all cases.

    `known`: what explains other gradients of this layer is tried first, and what explains this one is added.
    """
    usable = [case for case in cases if case.clearly_wrong(name) and case.inside == "float64"]
    if not usable or not asking.outputs:
        return None
    first = min(usable, key=lambda case: (_telling(name, case) < SPARE, _ones(case), sum(array.size for array in case.arrays.values())))
    try:
        found = _holding(name, usable, known.changes, asking)
        if not found and known.searched < SEARCHED:
            known.searched += 1
            for likely in _likely(name, first, asking):
                found = _holding(name, usable, likely, asking)
                if found:
                    break
        ordered = _by_what_they_explain(first, found, asking) if len(found) > 1 else found
    except (Raised, Unanswered):
        return None
    for change, shares in ordered:
        said = in_words(change, _times(shares, usable), asking)
        if said:
            known.changes += [change] if change not in known.changes else []
            return OPERATION, said
    return None


def _likely(name: str, case: Case, asking: LayerAsking) -> Iterator[list[Change]]:
    """The changes that hold along the first lines; those of factors, which are many, once nothing simpler holds on all cases."""
    asked = _begin(name, case, FIRST_LINES, asking)
    every, events = changes(asking)
    held = [one for one in every if one[0] == "hold"]
    simple = [one for one in every if one[0] not in ("hold", *FACTORS)]
    rows = _rows(held, asked, FIRST_LINES, asking)
    found = [change for change, row in zip(held, rows, strict=True) if _coefficient(change, row, asked) is not None]
    found += _as_claimed(simple, asked, asking)
    # What a factor is multiplied by must depend on the array: else held where it was, it changes nothing.
    through = [change for change, row in zip(held, rows, strict=True) if _matters(row, asked)]
    factors = [one for one in every if one[0] in FACTORS and ["hold", one[1], one[2]] in through]
    yield found[:LIKELY]
    yield _as_claimed(factors[: EFFORT // max(events, 1)], _begin(name, case, FIRST_LINES, asking), asking)[:LIKELY]


def _as_claimed(changed: Sequence[Change], asked: _Asked, asking: LayerAsking) -> list[Change]:
    """Those that give the claimed slope along the first line."""
    rows = _rows(changed, asked, 1, asking)
    return [change for change, row in zip(changed, rows, strict=True) if np.all(np.abs(row - asked.claimed[:1]) <= asked.tolerance[:1])]


def _rows(changed: Sequence[Change], asked: _Asked, lines: int, asking: LayerAsking) -> list[FloatArray]:
    """Their slopes along so many lines, so many changes at once that each message ends soon."""
    rows: list[FloatArray] = []
    for start in range(0, len(changed), AT_ONCE):
        batch = changed[start : start + AT_ONCE]
        rows += list(slopes(asking, batch, asked.directions[:lines], [asked.step], asked.cotangents))
    return rows


def _matters(row: FloatArray, asked: _Asked) -> bool:
    share = asked.right - row
    return bool(np.isfinite(row).all() and np.linalg.norm(share) > TELLING * np.linalg.norm(asked.right))


def _ones(case: Case) -> int:
    """How many sizes are 1: there, many changes are one."""
    return sum(type(value) is int and value == 1 for value in case.values.values())


def _telling(name: str, case: Case) -> int:
    """How many elements of a gradient are wrong."""
    least = case.closeness * case.scale(name)
    return int(np.count_nonzero(np.abs(case.claimed[name] - case.right[name]) > least))


def _begin(name: str, case: Case, count: int, asking: LayerAsking, seed: int = 1) -> _Asked:
    """Ask the case's problem again, so that what follows is about it."""
    assert case.problem is not None
    answered = answer_patiently(asking, case.problem)
    lines = [direction_for(seed, number, name, case.arrays[name].shape) for number in range(count)]
    claimed, right = (np.array([float((array * line).sum()) for line in lines]) for array in (case.claimed[name], case.right[name]))
    size = max(case.scale(name), float(np.abs(case.claimed[name]).max(initial=0.0)))
    tolerance = np.array([LOOSE * case.closeness * size * float(np.linalg.norm(line)) for line in lines])
    flat = {output: answered.cotangents[output].ravel() for output in asking.outputs}
    step = STEPS[case.inside] * scale_of(case.arrays[name])
    return _Asked(case, step, [{name: line} for line in lines], flat, claimed, right, tolerance)


def _coefficient(change: Change, row: FloatArray, asked: _Asked) -> float | None:
    """What the claim has of the share that a change takes away, 0 where the claim is as changed; None where the change does not hold."""
    if not np.isfinite(row).all():
        return None
    if change[0] != "hold":
        return 0.0 if bool(np.all(np.abs(row - asked.claimed) <= asked.tolerance)) else None
    share, claimed = asked.right - row, asked.claimed - row
    if not _matters(row, asked):
        return None
    square = float(share @ share)
    factor = float(share @ claimed) / square
    allowed = asked.tolerance * max(1.0, abs(factor))
    return factor if bool(np.all(np.abs(claimed - factor * share) <= allowed)) else None


def _holding(name: str, cases: Sequence[Case], likely: Sequence[Change], asking: LayerAsking) -> list[tuple[Change, list[float]]]:
    """The changes that hold on every case, each with its coefficients."""
    numbers = sum(min(LINES, _telling(name, case)) for case in cases)
    left: list[tuple[Change, list[float]]] = [(change, []) for change in likely]
    for case in cases:
        if not left:
            break
        asked = _begin(name, case, LINES, asking, seed=2)
        rows = slopes(asking, [change for change, _ in left], asked.directions, [asked.step, asked.step / 2], asked.cotangents)
        both = [(change, shares, _coefficient(change, row, asked)) for (change, shares), row in zip(left, rows, strict=True)]
        alone = LOOSE * case.closeness
        left = [(change, [*shares, 0.0 if abs(one) <= alone else one]) for change, shares, one in both if one is not None]
    return [(change, shares) for change, shares in left if numbers >= SPARE + (len(cases) if any(shares) else 0)]


def _times(shares: Sequence[float], cases: Sequence[Case]) -> str | None:
    """What a share has, "" where it is missing; None where nothing simple says it."""
    if not any(shares):
        return ""
    return times(shares, cases)


def _by_what_they_explain(case: Case, found: Sequence[tuple[Change, list[float]]], asking: LayerAsking) -> list[tuple[Change, list[float]]]:
    """First those under which most gradients are as claimed: of two that explain one, the mistake is that which explains the rest."""
    counts = [0] * len(found)
    for name in case.claimed:
        if name in case.right:
            asked = _begin(name, case, FIRST_LINES, asking)
            rows = slopes(asking, [change for change, _ in found], asked.directions, [asked.step], asked.cotangents)
            for place, ((_, shares), row) in enumerate(zip(found, rows, strict=True)):
                counts[place] += bool(np.all(np.abs(row + shares[0] * (asked.right - row) - asked.claimed) <= asked.tolerance))
    return [found[place] for place in sorted(range(len(found)), key=lambda place: -counts[place])]
