"""The answers of one run as they come: each is shown, written and counted; the last word is the exit status."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from verifier.cli import explain, say
from verifier.cli.exit_status import CANDIDATE_WRONG, INTERRUPTED, PASSED, TERMINATED, UNDECIDED, overall, status_of
from verifier.cli.interrupts import Terminated
from verifier.cli.outputs import Output
from verifier.cli.stored import StoredReports
from verifier.errors import HarnessError, RequestError
from verifier.reports.formats import FORMATS, default_formats
from verifier.results.baseline import Held, Known, hold_against, not_met
from verifier.results.gathering import Gathering
from verifier.results.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from verifier.verification.judging import Judged
    from verifier.verification.keeping import KeptReports


def lightened(report: Report) -> Report:
    """The report without what only its own page shows; enough for the table over all."""
    example = report.counterexample
    small = None if example is None else structs.replace(example, arrays={}, claimed={}, reference={}, walkthrough=())
    return structs.replace(report, measurements=(), printed="", counterexample=small)


@dataclass
class Answers:
    """The answers of one run as they come: each is shown and written; one alone is shown whole, several end in a table.

    Attributes:
        before_printing: called before anything is shown (it takes the progress bar away).
        outputs: the files that the whole run is written to, whatever ends it.
        baseline: known failures; one that fails as it is known to counts as a pass, one that does not as a failure.
        unjudged: a sentence for each candidate, or for the run, that ended without a report.
        complete: whether every candidate was judged and its report written.
        cut: how many candidates the limit of the whole run left without a verdict.
        kept: the reports of earlier runs, to which this run's are added.
    """

    console: Console
    directory: Path
    formats: Sequence[str] = ()
    fail_on: Sequence[str] = ()
    before_printing: Callable[[], None] = lambda: None
    outputs: Sequence[Output] = ()
    baseline: Sequence[Known] = ()
    complete: bool = False
    cut: int = 0
    kept: KeptReports | None = None
    unjudged: list[str] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    _unwritten: bool = False
    _refused: bool = False
    _broken: bool = False
    _as_known: dict[str, Held] = field(default_factory=dict)
    _places: list[Path | Report] = field(default_factory=list)
    _positions: list[int] = field(default_factory=list)
    _reused: int = 0
    _folders: dict[str, Path] = field(default_factory=dict)
    _held: tuple[Report, Path | None, list[Path]] | None = None

    def expect(self, count: int) -> None:
        """How many candidates there are, before the first is judged. Raises RequestError where an output cannot hold so many."""
        try:
            for output in self.outputs:
                output.expect(count)
        except RequestError:
            self._refused = True
            raise

    def take(self, answers: Iterator[Judged | RequestError | HarnessError]) -> int:
        """Show and write every answer; the exit status of the run. What the run itself breaks on does not lose the verdicts before it."""
        try:
            status = self._take(answers)
        except BrokenPipeError:
            self._write_outputs()
            raise
        written = [] if self._refused else self._write_outputs()
        return status if status in (INTERRUPTED, TERMINATED) else overall([status, *written], broken=self._broken)

    def _take(self, answers: Iterator[Judged | RequestError | HarnessError]) -> int:
        try:
            for answer in answers:
                self.before_printing()
                if isinstance(answer, (RequestError, HarnessError)):
                    self._broken = self._broken or isinstance(answer, HarnessError)
                    self.unjudged.append(str(answer))
                    self.statuses.append(explain(answer))
                else:
                    self._take_one(answer)
        except BrokenPipeError:
            raise
        except KeyboardInterrupt as interrupt:
            self._end()
            word, status = ("Terminated", TERMINATED) if isinstance(interrupt, Terminated) else ("Interrupted", INTERRUPTED)
            kept = f", their reports are in {self.directory}. The same command with --resume continues." if self.reports else "."
            say(f"{word}: {len(self.reports)} judged before{kept}")
            self.unjudged.append(f"{word}: the others were not judged.")
            return status
        except Exception as error:
            self.unjudged.append(str(error) or type(error).__name__)
            self._end()
            self.statuses.append(explain(error))
            self._broken = self._broken or not isinstance(error, RequestError)
            return overall(self.statuses, broken=self._broken)
        self._end()
        self.complete = not self._unwritten and not self.cut
        return overall(self.statuses, broken=self._broken)

    def _take_one(self, judged: Judged) -> None:
        """Write and show one report; what breaks there for a reason of its own leaves the others theirs."""
        try:
            self._judged(judged)
        except OSError:  # the terminal's or the disk's, and so the whole run's
            raise
        except Exception as error:
            explain(error)
            self._broken = self._unwritten = True

    def _judged(self, judged: Judged) -> None:
        report = judged.report
        self.statuses.append(self._status_of(report))
        written = self._write(judged)
        folder = written[-1].parent if written else None
        # What is on the disk is not kept in memory: of a thousand candidates that would be gigabytes.
        self.reports.append(lightened(report) if folder else report)
        self._places.append(folder or report)
        self._positions.append(judged.position)
        self._reused += judged.kept
        self.cut += judged.cut
        if self.kept is not None and folder is not None and not judged.cut:
            with contextlib.suppress(OSError):  # without a seal it is judged again
                self.kept.seal(report, folder)
        if folder:
            self._folders[report.candidate.name] = folder
        shown = (report, folder, written)
        # The first is held until it is known whether it is the only one.
        if len(self.reports) == 1:
            self._held = shown
            return
        self._show_held()
        self._show_short(shown)

    def _status_of(self, report: Report) -> int:
        known = next((known for known in self.baseline if known.candidate == report.candidate.name), None)
        if known is None:
            return status_of(report, self.fail_on)
        held = hold_against(report, known)
        self._as_known[known.candidate] = held
        return PASSED if held.as_known else CANDIDATE_WRONG

    def _write_outputs(self) -> list[int]:
        """Write the whole run's files; the statuses of those that could not be."""
        known = {name: held.message for name, held in self._as_known.items() if held.as_known}
        unexpected = {name: held.message for name, held in self._as_known.items() if not held.as_known}
        run = Gathering(StoredReports(self._places), tuple(self.unjudged), known, unexpected)
        statuses = []
        for output in self.outputs:
            try:
                output.finish(run, self._folders)
            except RequestError as error:
                statuses.append(explain(error))
        return statuses

    def _write(self, judged: Judged) -> list[Path]:
        from verifier.reports.folder import path_of_report, report_folder, write_folder

        report = judged.report
        folder = report_folder(self.directory, report.candidate.name)
        formats = self.formats or default_formats(report.verdict)
        if judged.kept:
            there = [folder / FORMATS[name].file for name in (*formats, "json")]
            if all(file.is_file() for file in there):
                return there
        replaced = path_of_report(folder)
        if replaced is not None and replaced != report.candidate.path:
            say(f"The report of {replaced} in {folder} is replaced by that of {report.candidate.path}.")
        try:
            return write_folder(report, judged.counterexample, folder, formats)
        except OSError as error:
            say(f"Error: cannot write the report to {folder}: {error.strerror or error}. Choose another place with --report-dir.")
            self.statuses.append(UNDECIDED)
            self._unwritten = True
            return []

    def _show_held(self) -> None:
        if self._held is not None:
            self._show_short(self._held)
            self._held = None

    def _show_short(self, shown: tuple[Report, Path | None, list[Path]]) -> None:
        from verifier.reports.terminal import show_short

        report, _, written = shown
        show_short(report, self.console, written=written)

    def _end(self) -> None:
        """The only report whole, or the table over several."""
        from verifier.reports.terminal import show, show_table

        self.before_printing()
        self._put_in_order()
        if self._held is not None:
            report, folder, written = self._held
            self._held = None
            show(report, self.console, folder=folder, written=written)
        elif len(self.reports) > 1:
            self.console.print()
            known = sum(held.as_known for held in self._as_known.values())
            show_table(self.reports, self.console, self.unjudged, known)
        if self._reused:
            again = f"{self._reused} of {len(self.reports)} have not changed since they were judged; --fresh judges them again."
            self.console.print(again)
        if self.cut:
            self.console.print(f"{self.cut} not judged within --run-limit: the same command with --resume continues.")
        if self.baseline:
            self._show_baseline()

    def _put_in_order(self) -> None:
        """The reports in the order of their candidates: those that were judged side by side came as they were finished."""
        order = sorted(range(len(self.reports)), key=lambda index: self._positions[index])
        self.reports = [self.reports[index] for index in order]
        self._places = [self._places[index] for index in order]
        self._positions = sorted(self._positions)

    def _show_baseline(self) -> None:
        """What is known to fail, what does not fail as known, and what was not met."""
        from verifier.reports.untrusted import one_line

        self.console.print()
        for held in self._as_known.values():
            self.console.print(
                f"{'Baseline' if held.as_known else 'BASELINE'}: {one_line(held.message)}", style=None if held.as_known else "bold red"
            )
        for name in not_met(self.baseline, self.reports):
            self.console.print(f"Baseline: {one_line(name)} was not judged in this run.")
