"""The operations of an engine in one table: a row each, with its value, its gradients by operand, broadcasting and edges."""

from collections.abc import Sequence

from msgspec import UNSET

from verifier.reports.untrusted import one_line
from verifier.results.report import OperationRecord, Report

MARKS = {"right": "✓", "wrong": "✗", "refuses": "refuses", "refuses late": "late", "convention": "convention", "": "–"}
HEADINGS = ("operation", "value", "gradients", "broadcasting", "edges", "beside")
SECOND = "second order"  # a column where an engine offers gradients of gradients


def operations_of(report: Report) -> Sequence[OperationRecord]:
    """The operations of a report; empty where the candidate is no engine."""
    return () if report.operations is UNSET else report.operations


def table_of(report: Report) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The headings, and a row of cells an operation; with a column for second derivatives where any was asked."""
    operations = operations_of(report)
    second = any(operation.second for operation in operations)
    headings = (*HEADINGS[:-1], *([SECOND] * second), HEADINGS[-1])
    return headings, [_row(operation, second) for operation in operations]


def _row(operation: OperationRecord, second: bool) -> tuple[str, ...]:
    gradients = " ".join(f"{name} {MARKS.get(status, '?')}" for name, status in operation.gradients.items()) or "–"
    marks = [MARKS.get(status, "?") for status in (operation.value, operation.broadcasting, operation.edge, operation.second)]
    shown = marks if second else marks[:-1]
    return one_line(operation.name), shown[0], one_line(gradients), *shown[1:], one_line(operation.sentence)


def is_wrong(operation: OperationRecord) -> bool:
    """Whether anything about it is wrong."""
    return "wrong" in (operation.value, operation.broadcasting, operation.edge, operation.second, *operation.gradients.values())
