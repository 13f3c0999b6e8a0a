"""The formats by name: each turns a report into text, and is imported when it is asked for (a web page's template engine is not free)."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from verifier.results.outcome import Verdict
from verifier.results.report import Report


@dataclass(frozen=True)
class Format:
    """One way to write a report.

    Attributes:
        name: as ``--format`` takes it.
        file: the name of the file in a candidate's report folder.
        function: ``"module:function"``, from a report to text.
    """

    name: str
    file: str
    function: str

    def write(self, report: Report) -> str:
        """The report as text in this format; a function of the report alone."""
        module, _, function = self.function.partition(":")
        writer = cast(Callable[[Report], str], getattr(importlib.import_module(module), function))
        return writer(report)


FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("json", "report.json", "verifier.reports.formats:write_json"),
        Format("markdown", "report.md", "verifier.reports.markdown:write"),
        Format("html", "report.html", "verifier.reports.html:write"),
        Format("terminal", "report.txt", "verifier.reports.terminal:write"),
    )
}


def write_json(report: Report) -> str:
    """`report.json` as it is stored."""
    from verifier.results.report import to_json

    return to_json(report).decode()


def default_formats(verdict: Verdict) -> tuple[str, ...]:
    """What is written beside `report.json` where nothing else is asked for: the page only where there is something to see."""
    return ("markdown",) if verdict == "pass" else ("markdown", "html")
