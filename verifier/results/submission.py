"""The row of a submission: what table, CSV, grades and the class page say of one report. Read from the report alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verifier.results.outcome import Verdict
from verifier.results.report import Report

UNKNOWN = "no-known-mistake"  # the name that a diagnosis has where no fault of the catalogue fits


@dataclass(frozen=True)
class Submission:
    """One submission's row.

    Attributes:
        name, path: of the candidate, as in its report.
        reason: "not-judged" or "not-done" where an `error` is no mistake in the mathematics; else "".
        summary: the report's headline.
        score, max_score: points; None where the report has no score (one of an older version).
        mistake: the name of the best explanation; "" where there is none.
        equation: what it breaks; "" where no equation is known.
        line: of the candidate's file, where the report names one; `place` is the same in words.
        beside_defaults: the claims that differ from the contract's defaults, by key.
        seconds: that the judging took.
        fingerprint: equal for two submissions of the same code, names and comments apart; "" where it is not known.
    """

    name: str
    path: str
    verdict: Verdict
    reason: str
    summary: str
    score: float | None
    max_score: float | None
    mistake: str
    equation: str
    place: str
    beside_defaults: Mapping[str, Any]
    seconds: float
    fingerprint: str

    @property
    def found(self) -> str:
        """The summary without what the row shows already: the path, and that it was not judged."""
        return without_path(self.summary, self.path).removeprefix("Not judged: ")

    @property
    def where(self) -> str:
        """The place without the path."""
        return without_path(self.place, self.path)

    @property
    def outcome(self) -> str:
        """The verdict in words: ``pass``, ``not judged``, …"""
        return self.reason.replace("-", " ") or self.verdict


def without_path(text: str, path: str) -> str:
    """What a sentence, or a place, says beside the path that it begins with."""
    return text.removeprefix(path).lstrip(":,/ ")


def submission_of(report: Report) -> Submission:
    """The row of a report."""
    best = report.diagnosis[0] if report.diagnosis else None
    return Submission(
        name=report.candidate.name,
        path=report.candidate.path,
        verdict=report.verdict,
        reason=report.reason,
        summary=report.summary,
        score=report.score.points if report.score else None,
        max_score=report.score.of if report.score else None,
        mistake=best.fault if best else "",
        equation=best.equation if best else "",
        place=report.place,
        beside_defaults=report.candidate.beside_defaults,
        seconds=sum(report.timings.values()),
        fingerprint=report.candidate.fingerprint,
    )
