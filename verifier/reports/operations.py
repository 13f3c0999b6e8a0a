"""The operations of an engine in one table: a row each, with its value, its gradients by operand, broadcasting and edges."""

from collections.abc import Sequence

from msgspec import UNSET

from verifier.reports.untrusted import one_line
from verifier.results.report import OperationRecord, Report

MARKS = {"right": "✓", "wrong": "✗", "refuses": "refuses", "refuses late": "late", "convention": "convention", "": "–"}
HEADINGS = ("operation", "value", "gradients", "broadcasting", "edges", "beside")


def operations_of(report: Report) -> Sequence[OperationRecord]:
    """The operations of a report; empty where the candidate is no engine."""
    return () if report.operations is UNSET else report.operations


def row_of(operation: OperationRecord) -> tuple[str, str, str, str, str, str]:
    """Its cells, in the order of `HEADINGS`."""
    gradients = " ".join(f"{name} {MARKS.get(status, '?')}" for name, status in operation.gradients.items()) or "–"
    marks = [MARKS.get(status, "?") for status in (operation.value, operation.broadcasting, operation.edge)]
    return one_line(operation.name), marks[0], one_line(gradients), marks[1], marks[2], one_line(operation.sentence)


def is_wrong(operation: OperationRecord) -> bool:
    """Whether anything about it is wrong."""
    return "wrong" in (operation.value, operation.broadcasting, operation.edge, *operation.gradients.values())
