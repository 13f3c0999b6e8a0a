"""A class at a glance: how many pass, which mistakes were made by whom, who was not judged, who was slow, whose code is the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from verifier.results.submission import UNKNOWN, Submission

SLOWEST_SHOWN = 5
NOT_EXPLAINED = "no known mistake"
OUTCOMES = ("pass", "fail", "error", "inconclusive", "not done", "not judged")


@dataclass(frozen=True)
class Group:
    """Submissions that have something in common: what it is, the equation where all of them break the same, and their rows."""

    what: str
    equation: str
    rows: tuple[Submission, ...]


@dataclass(frozen=True)
class Cohort:
    """The rows of a class, and what stands out.

    Attributes:
        counts: how many of each outcome, those that there are.
        mistakes: of the submissions that are wrong, most frequent first.
        unjudged: those that were not judged, or have nothing filled in.
        same: groups of the same code, names, comments and layout apart; of what was judged.
        median_score: of all, in points of `max_score`; None where there are no scores.
    """

    rows: tuple[Submission, ...]
    counts: dict[str, int]
    mistakes: tuple[Group, ...]
    unjudged: tuple[Submission, ...]
    slowest: tuple[Submission, ...]
    same: tuple[Group, ...]
    median_score: float | None
    max_score: float | None


def cohort_of(rows: Sequence[Submission]) -> Cohort:
    """What there is to say of these rows."""
    outcomes = [row.outcome for row in rows]
    scores = [row.score for row in rows if row.score is not None]
    return Cohort(
        tuple(rows),
        {outcome: outcomes.count(outcome) for outcome in OUTCOMES if outcome in outcomes},
        _groups([(NOT_EXPLAINED if row.mistake in ("", UNKNOWN) else row.mistake, row) for row in rows if row.verdict == "fail"]),
        tuple(row for row in rows if row.reason),
        tuple(sorted((row for row in rows if row.seconds > 0), key=lambda row: -row.seconds)[:SLOWEST_SHOWN]),
        tuple(
            group
            for group in _groups([(row.fingerprint, row) for row in rows if row.fingerprint and not row.reason])
            if len(group.rows) > 1
        ),
        median(scores) if scores else None,
        max((row.max_score for row in rows if row.max_score is not None), default=None),
    )


def _groups(marked: Sequence[tuple[str, Submission]]) -> tuple[Group, ...]:
    """The rows by their mark, largest group first; what is not known comes last."""
    by_mark: dict[str, list[Submission]] = {}
    for mark, row in marked:
        by_mark.setdefault(mark, []).append(row)
    groups = [
        Group(mark, rows[0].equation if len({row.equation for row in rows}) == 1 else "", tuple(rows)) for mark, rows in by_mark.items()
    ]
    return tuple(sorted(groups, key=lambda group: (group.what == NOT_EXPLAINED, -len(group.rows))))
