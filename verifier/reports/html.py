"""A report as one web page that needs nothing else: no script, no font, no network; light and dark; it prints.

The template only lays out. Every string goes through `plain` and the template engine's escaping, and the page's own policy
(Content-Security-Policy) forbids scripts and loading, should something slip through both. Filter and theme are buttons that the
style sheet reads (`:has(:checked)`): a page that runs no script cannot run a candidate's.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from verifier.reports import wording
from verifier.reports.comparisons import by_network
from verifier.reports.errors_picture import chosen_points, errors_picture
from verifier.reports.figures import differences_picture, margin_picture
from verifier.reports.graph_picture import graph_picture
from verifier.reports.heat_map import gradient_grids, grid
from verifier.reports.layers import HEADINGS, layers_of, row_of
from verifier.reports.network_picture import network_picture
from verifier.reports.operations import is_wrong, operations_of
from verifier.reports.operations import table_of as table_of_operations
from verifier.reports.untrusted import last_lines, one_line, plain
from verifier.reports.walkthrough import lines_of
from verifier.results.equations import EQUATIONS
from verifier.results.outcome import Measurement
from verifier.results.report import Report

PRINTED_LINES = 400
PICTURES_SHOWN = 3
MARKS = {"pass": "✓", "fail": "✗", "error": "!", "inconclusive": "?", "skipped": "–"}


def write(report: Report) -> str:
    """The report as a self-contained page."""
    example = report.counterexample
    equation = report.diagnosis[0].equation if report.diagnosis else None
    comparisons = by_network(report)
    headings, rows = table_of_operations(report)
    return template("report.html").render(
        report=report,
        own_lines=[(line.place, *wording.marked_source(line), sentence) for line, sentence in wording.own_lines_said(report)],
        own_lines_heading=wording.own_lines_heading(report),
        certificate=wording.certificate_lines(report),
        equations=EQUATIONS,
        terms=wording.TERMS,
        not_passed=wording.not_passed(report),
        skipped=wording.skipped_by_reason(report),
        explained=wording.explained_words(report),
        layers=[row_of(layer) for layer in layers_of(report)],
        layer_headings=HEADINGS,
        operations=[(row, is_wrong(operation)) for row, operation in zip(rows, operations_of(report), strict=True)],
        operation_headings=headings,
        nothing=wording.came_to_nothing(report),
        steps=[step.partition(": ")[::2] for step in wording.next_steps(report)],
        pictures=pictures(report),
        comparisons=comparisons,
        errors=Markup(errors_picture(report.measurements, comparisons.checks, comparisons.anchors)),
        points=len(chosen_points(report.measurements)),
        drawing=Markup(graph_picture(example) or network_picture(example, equation)) if example else "",
        failing=wording.problem_word(report),
        arrays=[grid(name, values) for name, values in example.arrays.items()] if example else [],
        gradients=gradient_grids(example),
        worked=lines_of(example.walkthrough) if example else [],
        printed="\n".join(last_lines(report.printed, PRINTED_LINES)) if report.verdict != "pass" and report.printed.strip() else "",
        isolation=wording.isolation_words(report.isolation),
        isolation_gap=wording.isolation_gap(report.isolation),
        reproduce=wording.reproduce_command(report),
        seed=wording.shown_seed(report),
        claims={name: wording.claim_text(value) for name, value in report.candidate.claims.items()},
        means=wording.verdict_means(report),
    )


def pictures(report: Report) -> list[tuple[Measurement, Markup]]:
    """The finite differences that failed worst, one a tensor, each drawn over its steps."""
    worst, _ = wording.worst_measurements(report, len(report.measurements))
    drawn: dict[str, tuple[Measurement, Markup]] = {}
    for measurement in worst:
        if measurement.tensor not in drawn and (picture := differences_picture(measurement)):
            drawn[measurement.tensor] = measurement, Markup(picture)
        if len(drawn) == PICTURES_SHOWN:
            break
    return list(drawn.values())


@cache
def template(name: str) -> Template:
    """A template of the package, which escapes whatever is no markup of ours."""
    folder = files("verifier.reports").joinpath("templates")
    sources = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in ("report.html", "report.css", "class.html", "class.css")}
    environment = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number,
        line=one_line,
        times=lambda one: wording.times_tolerance(one.error, one.tolerance),
        margin=lambda outcome: Markup(margin_picture(outcome.error, outcome.tolerance)),
        networks=wording.networks,
        title=wording.title,
        element=wording.element,
        mark=lambda status: MARKS[status],
    )
    environment.globals.update(
        worst=wording.worst_measurement,
        unsaid=wording.unsaid_worst,
        said=lambda report, outcome: wording.said_in_summary(report, outcome.message),
    )
    return environment.get_template(name)


def _finalize(value: Any) -> Any:
    """What every {{ expression }} passes through before it is escaped."""
    if isinstance(value, Markup):
        return value
    return plain(value) if isinstance(value, str) else value
