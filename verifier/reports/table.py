"""Reports as CSV: a row a submission, a row a check, or a row a comparison."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from verifier.reports.untrusted import one_line
from verifier.reports.wording import claim_text, first_sentence, worst_measurement
from verifier.results.gathering import Gathering
from verifier.results.outcome import Measurement
from verifier.results.report import Report
from verifier.results.submission import Submission, submission_of

SUBMISSIONS = (
    "candidate", "path", "verdict", "reason", "score", "max_score", "mistake", "equation", "place", "claims", "seconds", "message",
)  # fmt: skip
CHECKS = (
    "candidate", "path", "verdict", "fault", "equation", "check", "status", "error", "tolerance", "excludes_above", "networks",
    "failed", "tensor", "network", "tolerance_from", "message", "profile", "seed",
)  # fmt: skip
MEASUREMENTS = (
    "candidate", "check", "status", "problem", "network", "tensor", "index", "claimed", "reference", "error", "tolerance",
    "tolerance_from", "excludes_above", "step",
)  # fmt: skip
Field = str | int | float | None


def write(report: Report) -> str:
    """One report, as a row."""
    return write_together(Gathering((report,)))


def write_together(run: Gathering) -> str:
    """All reports, a row each; what has none has a row with its message."""
    rows = [_submission_row(submission_of(report)) for report in run.reports]
    rows += [["", "", "error", "not-judged", 0.0, *[None] * (len(SUBMISSIONS) - 6), message] for message in run.unjudged]
    return _table(SUBMISSIONS, rows)


def write_checks(report: Report) -> str:
    """One report, a row a check."""
    return write_checks_together(Gathering((report,)))


def write_checks_together(run: Gathering) -> str:
    """All reports, a row a check; what could not be judged has a row with its message."""
    rows = [row for report in run.reports for row in _check_rows(report)]
    for message in run.unjudged:
        rows.append([message if column == "message" else "not judged" if column == "verdict" else None for column in CHECKS])
    return _table(CHECKS, rows)


def write_measurements(report: Report) -> str:
    """One report, a row a comparison."""
    return write_measurements_together(Gathering((report,)))


def write_measurements_together(run: Gathering) -> str:
    """All reports, a row a comparison."""
    return _table(MEASUREMENTS, [_measurement_row(report, one) for report in run.reports for one in report.measurements])


def _submission_row(row: Submission) -> list[Field]:
    claims = "; ".join(f"{key} = {claim_text(value)}" for key, value in row.beside_defaults.items())
    message = first_sentence(row.summary)
    return [
        *(row.name, row.path, row.verdict, row.reason, row.score, row.max_score, row.mistake, row.equation, row.place, claims),
        *(round(row.seconds, 3), message),
    ]


def _check_rows(report: Report) -> Iterable[Sequence[Field]]:
    best = report.diagnosis[0] if report.diagnosis else None
    for outcome in report.checks:
        worst = worst_measurement(report, outcome)
        yield (
            report.candidate.name,
            report.candidate.path,
            report.verdict,
            best.fault if best else None,
            best.equation if best else None,
            outcome.id,
            outcome.status,
            outcome.error,
            outcome.tolerance,
            outcome.resolves,
            outcome.problems,
            outcome.failed,
            outcome.tensor,
            worst.network if worst else None,
            worst.source if worst else None,
            outcome.message,
            report.profile,
            report.seed,
        )


def _measurement_row(report: Report, one: Measurement) -> Sequence[Field]:
    index = None if one.index is None else " ".join(map(str, one.index))
    return (
        report.candidate.name,
        one.check,
        one.status,
        one.problem,
        one.network,
        one.tensor,
        index,
        one.claimed,
        one.reference,
        one.error,
        one.tolerance,
        one.source,
        one.resolves,
        one.step,
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[Field]]) -> str:
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([_cell(field) for field in row] for row in rows)
    return page.getvalue()


def _cell(field: Field) -> Field:
    """Text on one line; a spreadsheet must not take a candidate's words for a formula."""
    if not isinstance(field, str):
        return field
    line = one_line(field)
    return f"'{line}" if re.match(r"[=+@;|-]|[^\w]*[;,|][=+@-]", line) else line
