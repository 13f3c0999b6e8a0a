"""The formats by name: each turns a report into text, and is imported when it is asked for (a web page's template engine is not free)."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from verifier import plugins
from verifier.errors import RequestError
from verifier.results.gathering import Gathering
from verifier.results.outcome import Verdict
from verifier.results.report import Report, to_json


@dataclass(frozen=True)
class Format:
    """One way to write a report.

    Attributes:
        name: as ``--format`` takes it.
        file: the name of the file in a candidate's report folder.
        function: ``"module:function"``, from a report to text.
        together: ``"module:function"``, from the `Gathering` of a run to text; "" where one text holds one report.
        summary: what it is for, in a few words.
    """

    name: str
    file: str
    function: str
    together: str = ""
    summary: str = ""

    def write(self, report: Report) -> str:
        """The report as text in this format; a function of the report alone."""
        return cast(Callable[[Report], str], _load(self.function))(report)

    def write_together(self, run: Gathering) -> str:
        """All reports of a run in one text.

        Raises:
            RequestError: this format holds one report, and there are others, or none.
        """
        if self.together:
            return cast(Callable[[Gathering], str], _load(self.together))(run)
        if len(run.reports) != 1 or run.unjudged:
            several = ", ".join(name for name, format in FORMATS.items() if format.together and name != "gradescope")
            there = f"there are {len(run.reports)} reports" if run.reports else "there is no report"
            raise RequestError(f"{self.name} holds one report, and {there}; several fit in {several}, or in a folder: -o FOLDER/")
        return self.write(run.reports[0])


def _load(place: str) -> object:
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)


def _format(name: str, file: str, module: str, summary: str, *, write: str = "write", together: str = "") -> Format:
    """A format of ours: `write` of its module, and `write_together` of the same or of another."""
    of_one = f"verifier.reports.{module}:{write}"
    return Format(name, file, of_one, f"verifier.reports.{together}:write_together" if together else f"{of_one}_together", summary)


_HTML = "a page with pictures that needs nothing else; of several candidates, a page over all"

FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("json", "report.json", "verifier.reports.formats:write_json", summary="the record that all others are written from"),
        _format("markdown", "report.md", "markdown", "for a repository, a pull request, a step summary", together="run_summary"),
        _format("html", "report.html", "html", _HTML, together="class_page"),
        _format("terminal", "report.txt", "terminal", "as the command shows it"),
        _format("junit", "junit.xml", "junit", "JUnit XML, a test case per check, for CI systems"),
        _format("annotations", "annotations.txt", "annotations", "GitHub's workflow commands: what is wrong, beside the code"),
        _format("csv", "submission.csv", "table", "a row per submission: verdict, score, mistake; for a spreadsheet"),
        _format("checks", "checks.csv", "table", "a row per check, for a spreadsheet", write="write_checks"),
        _format("measurements", "measurements.csv", "table", "a row per comparison, for a spreadsheet", write="write_measurements"),
        _format("gradescope", "results.json", "gradescope", "an autograder's results, for Gradescope and otter"),
        _format("baseline", "baseline.toml", "baseline", "what fails, as a file for --baseline"),
    )
}


def _plugged_in() -> dict[str, Format]:
    """Formats of other distributions: the name of the entry point is that of the format and of the file."""
    points = plugins.plugged_in(plugins.REPORTS)
    return {name: Format(name, name, f"{point.value}:write", summary=f"plug-in {point.value}") for name, point in points.items()}


FORMATS |= {name: format for name, format in _plugged_in().items() if name not in FORMATS and os.path.basename(name) == name}


def write_json(report: Report) -> str:
    """`report.json` as it is stored."""
    return to_json(report).decode()


def default_formats(verdict: Verdict) -> tuple[str, ...]:
    """What is written beside `report.json` where nothing else is asked for: the page only where there is something to see."""
    return ("markdown",) if verdict == "pass" else ("markdown", "html")
