"""`verifier check`: judge candidates, show each verdict, and write their reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from verifier.cli import explain, say
from verifier.cli.exit_status import FAIL_ON, INTERRUPTED, UNDECIDED, overall, status_of
from verifier.cli.progress import ProgressBar
from verifier.errors import HarnessError, RequestError
from verifier.reports.formats import FORMATS, default_formats
from verifier.results.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from verifier.candidates.zygote import Isolation
    from verifier.verification.judging import Judged

PROFILES = ("quick", "ci", "thorough", "grading")
ISOLATION = ("auto", "require", "off")


def known_checks(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """The check ids of --only, or a usage error that says which there are."""
    if not names:
        return names
    import difflib

    from verifier.checks.catalogue import check_ids

    known = check_ids()
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.BadParameter(f"there is no check {name!r}.{hint} Checks: {', '.join(known)}.")
    return names


@click.command()
@click.argument("candidates", nargs=-1, required=True, metavar="CANDIDATE...")
@click.option("--profile", type=click.Choice(PROFILES), default="ci", show_default=True, help="How many networks: 40, 200, 2,000, 200.")
@click.option("--only", multiple=True, metavar="CHECK", callback=known_checks, help="Ask this check alone (may be repeated).")
@click.option("--seed", type=click.IntRange(min=0), help="Of the networks' numbers; the same seed gives the same report.")
@click.option("--fail-on", multiple=True, type=click.Choice(FAIL_ON), help="What else ends with exit status 1 (may be repeated).")
@click.option("--assignment", metavar="FILE", help="A TOML file that fixes claims, limits and imports.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="As in an assignment's [limits] (may be repeated).")
@click.option("--report-dir", metavar="DIR", default="reports", show_default=True, help="Reports go to DIR/<name>/.")
@click.option("--format", "formats", multiple=True, type=click.Choice(tuple(FORMATS)), help="Written beside report.json (may be repeated).")
@click.option("--isolation", type=click.Choice(ISOLATION), default="auto", show_default=True, help="What must confine the candidate.")
def check(
    candidates: tuple[str, ...],
    profile: str,
    only: tuple[str, ...],
    seed: int | None,
    fail_on: tuple[str, ...],
    assignment: str | None,
    limits: tuple[str, ...],
    report_dir: str,
    formats: tuple[str, ...],
    isolation: Isolation,
) -> int:
    """Judge backpropagation code: files, folders, package.module names or plug-ins.

    Each CANDIDATE is run in isolation on random networks and held against finite differences, PyTorch and general properties.

    Exit status: 0 all pass; 1 a candidate is wrong or unusable; 2 the request is wrong; 3 nothing could be decided.
    """
    from verifier.reports.terminal import open_console
    from verifier.verification.judging import judge

    with ProgressBar() as progress:
        answers = judge(
            candidates, profile=profile, seed=seed, only=only, assignment=assignment, limits=limits, isolation=isolation, progress=progress
        )
        run = Run(open_console(), Path(report_dir), formats, fail_on, progress.clear)
        return run.take(answers)


@dataclass
class Run:
    """The answers of one run as they come: each is shown and written; one alone is shown whole, several end in a table.

    Attributes:
        before_printing: called before anything is shown (it takes the progress bar away).
    """

    console: Console
    directory: Path
    formats: Sequence[str] = ()
    fail_on: Sequence[str] = ()
    before_printing: Callable[[], None] = lambda: None
    reports: list[Report] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    _held: tuple[Report, Path | None, list[Path]] | None = None

    def take(self, answers: Iterator[Judged | RequestError | HarnessError]) -> int:
        """Show and write every answer; the exit status of the run. What the run itself breaks on does not lose the verdicts before it."""
        try:
            for answer in answers:
                self.before_printing()
                if isinstance(answer, (RequestError, HarnessError)):
                    self.statuses.append(explain(answer))
                else:
                    self._judged(answer)
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:
            self._end()
            say(f"Interrupted: {len(self.reports)} judged before" + (f", their reports are in {self.directory}." if self.reports else "."))
            return INTERRUPTED
        except Exception as error:
            self._end()
            self.statuses.append(explain(error))
            return overall(self.statuses)
        self._end()
        return overall(self.statuses)

    def _judged(self, judged: Judged) -> None:
        report = judged.report
        self.reports.append(report)
        self.statuses.append(status_of(report, self.fail_on))
        written = self._write(judged)
        shown = (report, written[-1].parent if written else None, written)
        # The first is held until it is known whether it is the only one.
        if len(self.reports) == 1:
            self._held = shown
            return
        self._show_held()
        self._show_short(shown)

    def _write(self, judged: Judged) -> list[Path]:
        from verifier.reports.folder import report_folder, write_folder

        report = judged.report
        folder = report_folder(self.directory, report.candidate.name)
        try:
            return write_folder(report, judged.counterexample, folder, self.formats or default_formats(report.verdict))
        except OSError as error:
            say(f"Error: cannot write the report to {folder}: {error.strerror or error}. Choose another place with --report-dir.")
            self.statuses.append(UNDECIDED)
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
        if self._held is not None:
            report, folder, written = self._held
            self._held = None
            show(report, self.console, folder=folder, written=written)
        elif len(self.reports) > 1:
            self.console.print()
            show_table(self.reports, self.console)
