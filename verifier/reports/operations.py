"""The operations of an engine in one table: a row each, with its value, its gradients by operand, broadcasting and edges."""

from collections.abc import Sequence
from itertools import compress

from msgspec import UNSET

from verifier.reports.untrusted import one_line
from verifier.results.report import OperationRecord, Report

MARKS = {"right": "✓", "wrong": "✗", "refuses": "refuses", "refuses late": "late", "convention": "convention", "": "–"}
HEADINGS = ("operation", "value", "gradients", "broadcasting", "edges", "beside")
OPTIONAL = ("second order", "complex")  # columns where an engine offers them


def operations_of(report: Report) -> Sequence[OperationRecord]:
    """The operations of a report; empty where the candidate is no engine."""
    return () if report.operations is UNSET else report.operations


def table_of(report: Report) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The headings, and a row of cells an operation; with columns for second derivatives and complex numbers where any was asked."""
    operations = operations_of(report)
    asked = [any(operation.second for operation in operations), any(operation.complex for operation in operations)]
    headings = (*HEADINGS[:-1], *compress(OPTIONAL, asked), HEADINGS[-1])
    return headings, [_row(operation, asked) for operation in operations]


def _row(operation: OperationRecord, asked: Sequence[bool]) -> tuple[str, ...]:
    gradients = " ".join(f"{name} {MARKS.get(status, '?')}" for name, status in operation.gradients.items()) or "–"
    marks = [MARKS.get(status, "?") for status in (operation.value, operation.broadcasting, operation.edge)]
    optional = compress((operation.second, operation.complex), asked)
    marks += [MARKS.get(status, "?") for status in optional]
    return one_line(operation.name), marks[0], one_line(gradients), *marks[1:], one_line(operation.sentence)


def is_wrong(operation: OperationRecord) -> bool:
    """Whether anything about it is wrong."""
    return "wrong" in (
        operation.value,
        operation.broadcasting,
        operation.edge,
        operation.second,
        operation.complex,
        *operation.gradients.values(),
    )
