"""A report as one web page that needs nothing else: no script, no font, no network; light and dark; it prints.

The template only lays out. Every string goes through `plain` and the template engine's escaping, and the page's own policy
(Content-Security-Policy) forbids scripts and loading, should something slip through both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from verifier.reports import wording
from verifier.reports.figures import differences_picture, margin_picture
from verifier.reports.untrusted import last_lines, one_line, plain
from verifier.results.outcome import Measurement, Outcome
from verifier.results.report import Report

PRINTED_LINES = 400
COMPARISONS_A_CHECK = 8
PICTURES_SHOWN = 3
ROWS_SHOWN, COLUMNS_SHOWN = 24, 16
MARKS = {"pass": "✓", "fail": "✗", "error": "!", "inconclusive": "?", "skipped": "–"}


@dataclass(frozen=True)
class Grid:
    """An array as rows of cells, cut where it is large; `cut` says what is left out, or is empty."""

    name: str
    rows: tuple[tuple[str, ...], ...]
    cut: str


@dataclass(frozen=True)
class GradientGrids:
    """One gradient three times: as claimed, as it is right, and the difference."""

    name: str
    claimed: Grid
    reference: Grid
    difference: Grid


def write(report: Report) -> str:
    """The report as a self-contained page."""
    example = report.counterexample
    comparisons, left_out = wording.worst_measurements(report, COMPARISONS_A_CHECK)
    return _template().render(
        report=report,
        not_passed=wording.not_passed(report),
        skipped=wording.skipped_by_reason(report),
        steps=[step.partition(": ")[::2] for step in wording.next_steps(report)],
        pictures=pictures(report),
        comparisons=comparisons,
        left_out=left_out,
        arrays=[grid(name, values) for name, values in example.arrays.items()] if example else [],
        gradients=gradient_grids(report),
        printed="\n".join(last_lines(report.printed, PRINTED_LINES)) if report.verdict != "pass" and report.printed.strip() else "",
        isolation=wording.isolation_words(report.isolation),
        isolation_gap=wording.isolation_gap(report.isolation),
        reproduce=wording.reproduce_command(report),
        claims={name: claim_text(value) for name, value in report.candidate.claims.items()},
        means=wording.VERDICT_MEANS[report.verdict],
    )


def pictures(report: Report) -> list[tuple[Measurement, Markup]]:
    """The finite differences that failed worst, each drawn over its steps."""
    worst, _ = wording.worst_measurements(report, len(report.measurements))
    drawn = ((measurement, Markup(picture)) for measurement in worst if (picture := differences_picture(measurement)))
    return list(islice(drawn, PICTURES_SHOWN))


@cache
def _template() -> Template:
    source = files("verifier.reports").joinpath("templates", "report.html").read_text(encoding="utf-8")
    environment = Environment(
        loader=DictLoader({"report.html": source}),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number,
        line=one_line,
        times=lambda outcome: wording.times_tolerance(outcome.error, outcome.tolerance),
        margin=lambda outcome: Markup(margin_picture(outcome.error, outcome.tolerance)),
        networks=wording.networks,
        element=wording.element,
        mark=lambda status: MARKS[status],
    )
    environment.globals.update(worst=wording.worst_measurement, untold=wording.untold_worst, told=_told)
    return environment.get_template("report.html")


def _finalize(value: Any) -> Any:
    """What every {{ expression }} passes through before it is escaped."""
    if isinstance(value, Markup):
        return value
    return plain(value) if isinstance(value, str) else value


def _told(report: Report, outcome: Outcome) -> bool:
    return wording.told_in_summary(report, outcome.message)


def claim_text(value: Any) -> str:
    """A claim as it would stand in a manifest."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ", ".join(claim_text(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def grid(name: str, values: Any) -> Grid:
    """A nested list as a table: a vector is one row, a matrix its rows; more dimensions are one row per last axis."""
    rows = _rows(values)
    cut = []
    if len(rows) > ROWS_SHOWN:
        cut.append(f"{len(rows) - ROWS_SHOWN} more rows")
    widest = max((len(row) for row in rows), default=0)
    if widest > COLUMNS_SHOWN:
        cut.append(f"{widest - COLUMNS_SHOWN} more columns")
    shown = tuple(tuple(_cell(value) for value in row[:COLUMNS_SHOWN]) for row in rows[:ROWS_SHOWN])
    return Grid(name, shown, " and ".join(cut))


def gradient_grids(report: Report) -> list[GradientGrids]:
    """The counterexample's gradients, claimed and right side by side."""
    example = report.counterexample
    if example is None:
        return []
    found = []
    for name, claimed in example.claimed.items():
        reference = example.reference.get(name, [])
        difference = _minus(claimed, reference)
        found.append(GradientGrids(name, grid(name, claimed), grid(name, reference), grid(name, difference)))
    return found


def _rows(values: Any) -> list[list[Any]]:
    if not isinstance(values, list):
        return [[values]]
    if not any(isinstance(inner, list) for inner in values):
        return [values]
    return [row for inner in values for row in _rows(inner)]


def _minus(claimed: Any, reference: Any) -> Any:
    """claimed − reference, element by element; None where there is nothing to subtract."""
    if isinstance(claimed, list) and isinstance(reference, list):
        return [_minus(one, other) for one, other in zip(claimed, reference, strict=False)]
    if isinstance(claimed, (int, float)) and isinstance(reference, (int, float)):
        return float(claimed) - float(reference)
    return None


def _cell(value: Any) -> str:
    if value is None:
        return "not finite"
    if isinstance(value, (int, float)):
        return wording.number(float(value), 6)
    return one_line(str(value), 40)
