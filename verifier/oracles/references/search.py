"""A candidate against its reference: the base, each axis alone, random combinations; a failure is made as plain as it can be."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from verifier.counting import counted
from verifier.oracles.references.formula import in_words, stays_off
from verifier.oracles.references.judging import Judge, Wrong
from verifier.oracles.references.own import NO_DIGITS
from verifier.oracles.references.points import point
from verifier.oracles.references.space import Case, Space, departures, simpler, smaller
from verifier.oracles.references.spreading import spreads
from verifier.problems.sizes import Allowed

MOST_SHRINKING = 120  # cases tried to make a failure plainer
MOST_NARROW = 20  # of them in a narrow type, where each takes some sixty runs of the reference
NARROW_CASES = 14  # asked in a narrow type, each some twenty runs of the reference
ALONE = 2  # draws of each axis alone
USUAL = 66  # up to such a size a draw shows what one of a larger size takes, at the least
MEASURING = 120  # times the reference's own forward and backward pass, where that is a loop over small tensors
SLOW = 10.0  # seconds: what would take longer is left out
TOO_SLOW = f"a draw would take more than {SLOW:g} s"


@dataclass(frozen=True)
class Searched:
    """What was asked, and the plainest failure where there is one.

    Attributes:
        wrong, case: the failure, and the case that shows it, with the fewest departures from the base that were found.
        needed: those departures in words.
        asked: how many cases the candidate was asked; `skipped`: reasons for which others were not, with their numbers.
        axes: departures that were asked at least once, by name.
        notes: what should be known beside.
        formula: of a narrow type, where the same code was right in a wide one: a sentence for what fails in the narrow one.
        stopped: whether the time limit ended it.
        unclear: of a narrow type in which nothing is wrong, why that says nothing: the same code is wrong in a wide one, see `formula`.
    """

    wrong: Wrong | None
    case: Case | None
    needed: tuple[str, ...]
    asked: int
    skipped: dict[str, int]
    axes: tuple[str, ...]
    notes: tuple[str, ...]
    stopped: bool = False
    formula: str = ""
    unclear: str = ""


def search(judge: Judge, space: Space, *, seed: int, draws: int, time_limit: float | None) -> Searched:
    """Ask until a case fails; of a narrow type the formula first, in the widest type that the code takes, then a few in the type."""
    if not judge.is_narrow:
        return _search(judge, space, [*space.alone(seed, ALONE), *space.combined(seed, draws)], time_limit)
    asked, stopped, begun = 0, False, time.monotonic()
    base = replace(space.base, seed=seed)
    formula, off = _formula(judge, base)
    if formula is not None:
        half = None if time_limit is None else time_limit / 2
        found = _search(formula, space, [*space.alone(seed, ALONE), *space.combined(seed, draws)], half)
        if found.wrong is not None:
            return found
        asked, stopped = found.asked, found.stopped
    signed = {"cotangent": "signed"}
    few = [replace(base, axes=signed), *(replace(base, axes={**signed, "values": value}) for value in ("large", "small"))]
    few += [replace(case, axes=signed) for case in space.alone(seed, 1) if case.sizes != base.sizes or case.options != base.options]
    equal = space.of_many_equal_rows(seed) if judge.precision != "accumulate" else None
    many = [replace(equal, axes=signed), equal] if equal else []
    left = None if time_limit is None else time_limit - (time.monotonic() - begun)
    narrow = _search(judge, space, [*few[:NARROW_CASES], *many], left)
    said = ""
    if formula is not None:
        wide, own = (str(dtype).removeprefix("torch.") for dtype in (formula.dtype, judge.dtype))
        said = f"In {wide} it is right at {counted(asked, 'point')}: wrong is how it rounds in {own}, or what it does in that type alone."
    unclear = ""
    if narrow.wrong is None and off is not None and stays_off(off[0], base, off[1]):
        unclear = in_words(off[0], judge.dtype, off[1])
    if narrow.wrong is None and narrow.skipped.get(NO_DIGITS, 0) > narrow.asked:
        unclear = f"next to nothing could be asked in {str(judge.dtype).removeprefix('torch.')}: {NO_DIGITS}"
    return replace(narrow, asked=narrow.asked + asked, stopped=narrow.stopped or stopped, formula=said, unclear=unclear)


def _formula(judge: Judge, base: Case) -> tuple[Judge | None, tuple[Judge, Wrong] | None]:
    """The judge in the widest type in which the code is right at this case, or else in which its gradient alone is wrong, and how."""
    off = None
    for wide in (torch.float64, torch.float32):  # a kernel that keeps float32 inside has no more in float64
        lifted = judge.lifted(wide)
        wrong = lifted.try_case(base).wrong
        if wrong is None:
            return lifted, None
        if off is None and wrong.what == "gradient":
            off = lifted, wrong
    return None, off


def _search(judge: Judge, space: Space, cases: Sequence[Case], time_limit: float | None) -> Searched:
    begun = time.monotonic()
    skipped: dict[str, int] = {}
    axes: dict[str, None] = {}
    notes: dict[str, None] = {}
    let_off: dict[tuple[str, str], list[str]] = {}
    asked, stopped, pace = 0, False, 0.0
    own = max(USUAL, *space.base.sizes.values(), 0)  # the user's own sizes are asked, whatever they take
    for case in cases:
        largest = max(case.sizes.values(), default=1)
        if (largest > USUAL and pace * largest > SLOW) or (largest > own and _reference_seconds(judge, case) * MEASURING > SLOW):
            skipped[TOO_SLOW] = skipped.get(TOO_SLOW, 0) + 1
            continue
        if time_limit is not None and time.monotonic() - begun > time_limit:
            stopped = True
            break
        started = time.monotonic()
        trial = judge.try_case(case)
        if largest <= USUAL:
            pace = max(pace, (time.monotonic() - started) / max(largest, USUAL // 4))
        if trial.skipped:
            skipped[trial.skipped] = skipped.get(trial.skipped, 0) + 1
            continue
        if trial.wrong is not None and _is_let_off(trial.wrong, case, space, judge):
            why = "no options= were said" if _guesses(case, space) else "no shapes= were said"
            if case.axis("inputs") != "contiguous":
                why = "inputs with strides may be refused"
            elif case.axis("usage") == "one gradient alone":
                why = "an input without a gradient may be refused"
            let_off.setdefault((trial.wrong.text, why), []).append(" and ".join(departures(case, space)))
            continue
        asked += 1
        axes |= dict.fromkeys(f"{axis}: {value}" for axis, value in case.axes.items())
        notes |= dict.fromkeys(trial.notes)
        if trial.wrong is not None:
            case, wrong = _plainest(judge, space, case, trial.wrong)
            return Searched(wrong, case, _needed(judge, space, case), asked, skipped, tuple(axes), (*notes, *_refusals(let_off)))
    return Searched(None, None, (), asked, skipped, tuple(axes), (*notes, *_refusals(let_off)), stopped)


def _refusals(let_off: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    """A note for each thing that a candidate refused, with the first and plainest case of it."""
    found = []
    for (text, why), cases in let_off.items():
        more = f" and {counted(len(cases) - 1, 'other case')}" if len(cases) > 1 else ""
        found.append(f"{text} where {cases[0]}{more}: not judged there, as {why}")
    return found


def _reference_seconds(judge: Judge, case: Case) -> float:
    return judge.truth_at(point(judge.sources, case), case).seconds()


def _is_let_off(wrong: Wrong, case: Case, space: Space, judge: Judge) -> bool:
    """A candidate may refuse sizes and options that were only guessed, and inputs that are not contiguous; where the reference spreads what
    has size 1 by guess, it says nothing."""
    if wrong.what == "refused" and (case.axis("inputs") != "contiguous" or case.axis("usage") == "one gradient alone"):
        return True
    if _raises(wrong) and _guesses(case, space):
        return True
    if space.said or (case.sizes == space.base.sizes and case.rest == space.base.rest):
        return False
    return _raises(wrong) or spreads(judge, case, space)


def _guesses(case: Case, space: Space) -> bool:
    """Whether an option has a value that nobody said."""
    return any(case.options[name] != space.base.options[name] for name in space.guessed)


def _raises(wrong: Wrong) -> bool:
    return wrong.what in ("refused", "raised")


def _plainest(judge: Judge, space: Space, case: Case, wrong: Wrong) -> tuple[Case, Wrong]:
    """Fewest axes first, then smallest sizes; what the candidate raises stays what it raises."""
    tried, most = 0, MOST_NARROW if judge.is_narrow else MOST_SHRINKING
    for steps in (simpler, smaller, simpler):
        moved = True
        while moved and tried < most:
            moved = False
            for other in steps(case, space):
                tried += 1
                found = judge.try_case(other).wrong
                if found is None or _raises(found) != _raises(wrong) or _is_let_off(found, other, space, judge):
                    continue
                if len(departures(other, space)) > len(departures(case, space)):
                    continue  # a smaller size that is no longer the base's would count as needed
                case, wrong, moved = other, found, True
                break
    return _other_seed(judge, space, case, wrong)


def _needed(judge: Judge, space: Space, case: Case) -> tuple[str, ...]:
    """What the plainest case departs in, in words; a size is one of several where the next one is wrong too."""
    words = departures(case, space)
    for name, size in () if judge.is_narrow else case.sizes.items():
        said, base = f"{name} = {size}", space.base.sizes[name]
        if size == base or size + 1 == base or not space.limits.get(name, Allowed()).admits(size + 1):
            continue
        other = replace(case, sizes={**case.sizes, name: size + 1})
        found = judge.try_case(other).wrong if space.fits(other) else None
        if found is not None and not _is_let_off(found, other, space, judge):
            words = [f"a size such as {said}" if one == said else one for one in words]
    return tuple(words)


def _other_seed(judge: Judge, space: Space, case: Case, wrong: Wrong) -> tuple[Case, Wrong]:
    """An axis that only another choice of numbers made needless is dropped too."""
    for axis in tuple(case.axes):
        without = {name: value for name, value in case.axes.items() if name != axis}
        for seed in range(3):
            other = replace(case, axes=without, seed=case.seed + 1000 + seed)
            found = judge.try_case(other).wrong if space.fits(other) else None
            if found is not None and found.what == wrong.what:
                case, wrong = other, found
                break
    return case, wrong
