"""Two runs compared, candidate by candidate: what got better, what got worse. Pure: reports in, records out.

Accuracy is compared where both pass too. An error in units of its tolerance is an error in units of what rounding can do to that
element; the binary logarithm of how it changed is the number of last bits that were won or lost. Only comparisons of the same network
and tensor are set against each other, so both runs must have had the same networks.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from verifier.results.outcome import Measurement
from verifier.results.report import Report

Change = Literal["better", "worse", "other", "same", "new", "gone"]
GRAVITY = {"pass": 0, "skipped": 0, "inconclusive": 1, "error": 2, "fail": 3}
LEAST_RATIO = 2.0**-10  # of a tolerance of 32 scatters: below a thirtieth of the scatter there is nothing to lose
NOTICED_BITS = 1.0  # a rounding more or less is no change


@dataclass(frozen=True)
class CheckChange:
    """One check whose status changed."""

    check: str
    old: str
    new: str
    change: Change


@dataclass(frozen=True)
class Accuracy:
    """One check's accuracy over the comparisons that both runs passed.

    Attributes:
        compared: how many comparisons of the same network and tensor.
        worst_old, worst_new: the largest error, in tolerances.
        bits: last bits lost at the largest error (won where negative).
        typical_bits: those lost by the median comparison.
    """

    check: str
    compared: int
    worst_old: float
    worst_new: float
    bits: float
    typical_bits: float

    @property
    def change(self) -> Change:
        """Whether the accuracy of a tensor changed by more than `NOTICED_BITS` bits, at its worst or typically."""
        if abs(self.bits) < NOTICED_BITS and abs(self.typical_bits) < NOTICED_BITS:
            return "same"
        return "worse" if max(self.bits, self.typical_bits) >= NOTICED_BITS else "better"


@dataclass(frozen=True)
class CandidateChange:
    """One candidate in both runs, or in one of them.

    Attributes:
        old, new: the verdicts; None where a run does not have the candidate.
        why_not: why accuracy could not be compared; "" where it was.
        mistake: the diagnosis before and now, where they differ; `found` says what the one of now means, and `place` where it stands.
    """

    name: str
    old: str | None
    new: str | None
    checks: tuple[CheckChange, ...] = ()
    accuracy: tuple[Accuracy, ...] = ()
    why_not: str = ""
    mistake: tuple[str, str] | None = None
    found: str = ""
    place: str = ""

    @property
    def change(self) -> Change:
        """Of the verdict and the checks; accuracy is reported, and is no verdict."""
        if self.old is None or self.new is None:
            return "new" if self.old is None else "gone"
        if GRAVITY[self.new] != GRAVITY[self.old]:
            return "worse" if GRAVITY[self.new] > GRAVITY[self.old] else "better"
        changes = {one.change for one in self.checks}
        if "worse" in changes:
            return "worse"
        if "better" in changes:
            return "better"
        return "other" if changes or self.mistake else "same"

    @property
    def lost_accuracy(self) -> bool:
        """Whether any tensor is less accurate than before."""
        return any(one.change == "worse" for one in self.accuracy)


def compare(old: Sequence[Report], new: Sequence[Report]) -> tuple[CandidateChange, ...]:
    """Every candidate of either run, by its name, in the new run's order."""
    before = {report.candidate.name: report for report in old}
    after = {report.candidate.name: report for report in new}
    gone = (CandidateChange(name, report.verdict, None) for name, report in before.items() if name not in after)
    return (*(_candidate(before.get(name), report) for name, report in after.items()), *gone)


def _candidate(old: Report | None, new: Report) -> CandidateChange:
    if old is None:
        mistake, found, place = _mistake("", new)
        return CandidateChange(new.candidate.name, None, new.verdict, mistake=mistake, found=found, place=place)
    why_not = _other_networks(old, new)
    accuracy = () if why_not else tuple(_accuracies(old.measurements, new.measurements))
    mistake, found, place = _mistake(old.diagnosis[0].fault if old.diagnosis else "", new, passed=old.verdict == "pass")
    return CandidateChange(new.candidate.name, old.verdict, new.verdict, tuple(_checks(old, new)), accuracy, why_not, mistake, found, place)


def _checks(old: Report, new: Report) -> Iterator[CheckChange]:
    before = {outcome.id: outcome.status for outcome in old.checks}
    for outcome in new.checks:
        status = before.get(outcome.id)
        if status is None or status == outcome.status:
            continue
        heavier = GRAVITY[outcome.status] - GRAVITY[status]
        # Not to be asked any more is no improvement, and to be asked is no harm.
        change: Change = "other" if "skipped" in (status, outcome.status) and heavier <= 0 else "worse" if heavier > 0 else "better"
        yield CheckChange(outcome.id, status, outcome.status, change)


def _mistake(before: str, new: Report, *, passed: bool = True) -> tuple[tuple[str, str] | None, str, str]:
    """The diagnosis before and now, what the one of now says, and its place; nothing where it is the same or the candidate passes."""
    best = new.diagnosis[0] if new.diagnosis else None
    after = "" if best is None else best.fault
    if new.verdict == "pass" or (before == after and not passed):
        return None, "", ""
    return (before, after) if before != after else None, new.summary if best is None else best.explanation, new.place


def _other_networks(old: Report, new: Report) -> str:
    """Why the networks of two runs are not the same; "" where they are."""
    if (old.profile, old.seed) != (new.profile, new.seed):
        return f"profile {old.profile}, seed {old.seed} then profile {new.profile}, seed {new.seed}"
    if old.rung != new.rung:
        return f"rung {old.rung} of the profile, then rung {new.rung}"
    if old.candidate.claims != new.candidate.claims:
        return "the claims differ"
    return ""


def _accuracies(old: Sequence[Measurement], new: Sequence[Measurement]) -> Iterator[Accuracy]:
    before = _ratios(old)
    together: dict[str, list[tuple[float, float]]] = {}
    for key, ratio in _ratios(new).items():
        if key in before:
            together.setdefault(key[0], []).append((before[key], ratio))
    for check, pairs in together.items():
        worst_old, worst_new = max(ratio for ratio, _ in pairs), max(ratio for _, ratio in pairs)
        yield Accuracy(check, len(pairs), worst_old, worst_new, _bits(worst_old, worst_new), median(_bits(*pair) for pair in pairs))


def _ratios(measurements: Sequence[Measurement]) -> Mapping[tuple[str, str, int, str], float]:
    """Errors in tolerances of what passed, by check, network and tensor; several of one tensor (directions) by their worst."""
    found: dict[tuple[str, str, int, str], float] = {}
    for one in measurements:
        if one.status == "pass" and one.error is not None and one.tolerance:
            key = (one.check, one.network, one.problem, one.tensor)
            found[key] = max(found.get(key, 0.0), abs(one.error) / one.tolerance)
    return found


def _bits(old: float, new: float) -> float:
    return math.log2(max(new, LEAST_RATIO) / max(old, LEAST_RATIO))
