"""The layers of one file in one table: a row each, with its forward pass, its gradients by name, and the first sentence about it."""

from collections.abc import Sequence

from msgspec import UNSET

from verifier.reports.untrusted import one_line
from verifier.results.report import LayerRecord, Report

MARKS = {"pass": "✓", "fail": "✗", "undecided": "?", "skipped": "–"}
HEADINGS = ("layer", "verdict", "forward", "gradients", "what was found")


def layers_of(report: Report) -> Sequence[LayerRecord]:
    """The layers of a report; empty where the candidate is one whole."""
    return () if report.layers is UNSET else report.layers


def row_of(layer: LayerRecord) -> tuple[str, str, str, str, str]:
    """Its cells, in the order of `HEADINGS`."""
    gradients = " ".join(f"d{name} {MARKS.get(status, '?')}" for name, status in layer.gradients.items()) or "–"
    verdict = layer.verdict if layer.verdict in ("pass", "not-done") else layer.verdict.upper()
    return one_line(layer.name), verdict, MARKS.get(layer.forward, "–"), one_line(gradients), one_line(layer.sentence)
