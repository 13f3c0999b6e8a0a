"""What whoever judges adds to a report: the score, how the run is made again; under an assignment fewer measurements."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from msgspec import structs

from verifier.candidates.discovery import Candidate
from verifier.candidates.fingerprint import fingerprint
from verifier.candidates.script_block import read_source
from verifier.errors import RequestError
from verifier.results.outcome import Measurement
from verifier.results.report import Report
from verifier.verification.record import Judged
from verifier.verification.scoring import score

FAILED_KEPT = 20  # comparisons of a check that failed, worst first; some 400 bytes each in report.json, and as many in the page
PRINTED_KEPT = 4000  # characters, the last of what a candidate printed; the page has them too
_PLACE = re.compile(r"(?P<place>(?P<file>.{1,400}?), line \d{1,9}(?:, in [\w.<>]{1,200})?): ")


@dataclass(frozen=True)
class Grading:
    """What holds for every report of a run.

    Attributes:
        options: of the command beside profile and seed, as words.
        worst_only: whether the measurements of a check are kept as their worst, and of what was printed the end.
        weights, hints, message: as in an `Assignment`.
    """

    options: tuple[str, ...] = ()
    worst_only: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)
    hints: str = "line"
    message: str = ""

    def of(self, judged: Judged, candidate: Candidate | None) -> Judged:
        """The report with all of this in it."""
        report = judged.report
        record = structs.replace(report.candidate, fingerprint=_fingerprint(candidate)) if candidate is not None else report.candidate
        graded = structs.replace(
            report,
            candidate=record,
            place=report.place or _place(report),
            options=self.options,
            score=score(report, self.weights),
            hints=self.hints,
            message=self.message,
            measurements=_worst(report) if self.worst_only else report.measurements,
            printed=_end(report.printed) if self.worst_only else report.printed,
        )
        return replace(judged, report=graded)


def _fingerprint(candidate: Candidate) -> str:
    if candidate.file is None:
        return ""
    try:
        return fingerprint(read_source(candidate.file, str(candidate.file)))
    except RequestError:
        return ""


def _place(report: Report) -> str:
    """The line that an error names: our own sentences begin with it, before anything that the candidate wrote."""
    if report.verdict != "error":
        return ""
    messages = (report.summary, *(outcome.message for outcome in report.checks if outcome.status == "error"))
    found = (_PLACE.match(message) for message in messages)
    return next((match["place"] for match in found if match is not None), "")


def _end(printed: str) -> str:
    left_out = len(printed) - PRINTED_KEPT
    return f"… ({left_out:,} characters before)\n{printed[left_out:]}" if left_out > 0 else printed


def _worst(report: Report) -> tuple[Measurement, ...]:
    """Of a check that failed the worst comparisons, each tensor at least once; of any other the worst one."""
    status = {outcome.id: outcome.status for outcome in report.checks}
    named = {(outcome.id, outcome.tensor, outcome.problem) for outcome in report.checks}
    shown = () if report.counterexample is None else (report.counterexample.problem,)

    def weight(one: Measurement) -> tuple[bool, bool, float]:
        ratio = abs(one.error) / one.tolerance if one.error is not None and one.tolerance else float("inf")
        return one.status != "pass", (one.check, one.tensor, one.problem) in named or one.network in shown, ratio

    by_check: dict[str, list[Measurement]] = {}
    for one in report.measurements:
        by_check.setdefault(one.check, []).append(one)
    kept: set[int] = set()
    for check, measurements in by_check.items():
        ordered = sorted(measurements, key=weight, reverse=True)
        first_of_each: dict[str, Measurement] = {}
        for one in ordered:
            first_of_each.setdefault(one.tensor, one)
        failed = status.get(check) == "fail"
        kept |= {id(one) for one in ordered[: FAILED_KEPT if failed else 1]}
        kept |= {id(one) for one in first_of_each.values() if failed}
    return tuple(one for one in report.measurements if id(one) in kept)
