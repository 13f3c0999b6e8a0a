"""`verifier check`: judge candidates, show each verdict, and write their reports."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from msgspec import structs

from verifier.cli import explain, say
from verifier.cli.exit_status import CANDIDATE_WRONG, FAIL_ON, INTERRUPTED, PASSED, TERMINATED, UNDECIDED, overall, status_of
from verifier.cli.interrupts import Terminated, interruptible
from verifier.cli.outputs import Output, parse_outputs
from verifier.cli.progress import ProgressBar
from verifier.cli.project import NO_PROJECT, PARAMETERS, Project, nearest_project, read_project, read_project_file
from verifier.cli.stored import StoredReports
from verifier.errors import HarnessError, RequestError
from verifier.reports.formats import FORMATS, default_formats
from verifier.results.baseline import Held, Known, hold_against, not_met, read_baseline
from verifier.results.gathering import Gathering
from verifier.results.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from verifier.candidates.zygote import Isolation
    from verifier.verification.journal import Journal
    from verifier.verification.judging import Judged
    from verifier.verification.keeping import KeptReports

PROFILES = ("quick", "ci", "thorough", "grading")
ISOLATION = ("auto", "require", "off")
PRESETS = ("cs231n", "mytorch", "deeplearning-ai")
PAGES_OF_A_CLASS = ("markdown", "html")  # beside report.json under an assignment: each row of the class leads to a page


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


class InProject(click.Command):
    """A command whose defaults stand in a project file; it says which file gave which option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if set(args) & set(self.get_help_option_names(ctx)):
            return super().parse_args(ctx, args)
        said, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        project = self._project(said)
        ctx.default_map = dict(project.options) | ({"candidates": project.candidates} if project.candidates else {})
        rest = super().parse_args(ctx, args)
        taken = [name for name in ctx.default_map if ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP]
        if project.file is not None and taken:
            say(f"From {os.path.relpath(project.file)}: {', '.join(_as_option(name, ctx.params[name]) for name in taken)}.")
        return rest

    def _project(self, said: Mapping[str, Any]) -> Project:
        """The project that this command line is asked in."""
        here = Path.cwd()
        if said.get("config") is not None:
            return read_project_file(said["config"], here)
        if said.get("assignment") is None and said.get("profile") != "grading":
            return read_project(here)
        unread = nearest_project(here)
        if unread is not None:
            say(f"{os.path.relpath(unread)} is not read under an assignment or --profile grading; --config names a file that is.")
        return NO_PROJECT


def _as_option(name: str, value: Any) -> str:
    """A parameter as the project file has it."""
    option = {parameter: key for key, parameter in PARAMETERS.items()}.get(name, name.replace("_", "-"))
    return f"{option} = {', '.join(map(str, value)) if isinstance(value, tuple) else value}"


@click.command(cls=InProject)
@click.argument("candidates", nargs=-1, required=True, metavar="CANDIDATE...")
@click.option("--profile", type=click.Choice(PROFILES), default="ci", show_default=True, help="How many networks: 40, 200, 2,000, 200.")
@click.option("--only", multiple=True, metavar="CHECK", callback=known_checks, help="Ask this check alone (may be repeated).")
@click.option("--seed", type=click.IntRange(min=0), help="Of the networks' numbers; the same seed gives the same report.")
@click.option("--fail-on", multiple=True, type=click.Choice(FAIL_ON), help="What else ends with exit status 1 (may be repeated).")
@click.option("--assignment", metavar="FILE", help="A TOML file that fixes claims, limits and imports.")
@click.option("--config", metavar="FILE", expose_value=False, help="Take defaults from [tool.verifier] of this file, and of no other.")
@click.option("--preset", type=click.Choice(PRESETS), help="The course whose names a file without a manifest has.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="As in an assignment's [limits] (may be repeated).")
@click.option("--resume", is_flag=True, help="Go on with the same run where it was interrupted.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many candidates side by side; by default one a processor.")
@click.option("--dask", "cluster", metavar="ADDRESS", help="A Dask scheduler, or its scheduler file: judge on that cluster.")
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Of one candidate: fewer networks.")
@click.option("--rung", type=click.IntRange(0, 5), help="Ask a half (1), a quarter (2), … of the networks, as an earlier run did.")
@click.option("--run-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Of the whole run.")
@click.option("--fresh", is_flag=True, help="Judge again what has not changed since an earlier run of the same assignment.")
@click.option("--report-dir", metavar="DIR", default="reports", show_default=True, help="Reports go to DIR/<name>/.")
@click.option("--format", "formats", multiple=True, type=click.Choice(tuple(FORMATS)), help="Written beside report.json (may be repeated).")
@click.option("--output", "outputs", multiple=True, metavar="FORMAT=FILE", help="Write the whole run to a file (may be repeated).")
@click.option("--baseline", metavar="FILE", help="Known failures, which must still fail for their stated reason.")
@click.option("--keep-measurements", is_flag=True, help="Keep every measurement under an assignment too, not the worst of each check.")
@click.option("--trust-references", is_flag=True, help="Files of the contract reference are mine: run what they name unconfined.")
@click.option("--isolation", type=click.Choice(ISOLATION), help="What must confine it (default: auto; require under grading).")
def check(
    candidates: tuple[str, ...],
    profile: str,
    only: tuple[str, ...],
    seed: int | None,
    fail_on: tuple[str, ...],
    assignment: str | None,
    preset: str | None,
    limits: tuple[str, ...],
    resume: bool,
    jobs: int | None,
    cluster: str | None,
    time_limit: float | None,
    rung: int | None,
    run_limit: float | None,
    fresh: bool,
    report_dir: str,
    formats: tuple[str, ...],
    outputs: tuple[str, ...],
    baseline: str | None,
    keep_measurements: bool,
    trust_references: bool,
    isolation: Isolation | None,
) -> int:
    """Judge backpropagation code: files, folders, package.module names or plug-ins.

    Each CANDIDATE is run in isolation on random networks and held against finite differences, PyTorch and general properties.

    What is not said here is taken from [tool.verifier] in the nearest pyproject.toml that has it; under an assignment or the profile
    grading, only from the file that --config names.

    Exit status: 0 all pass; 1 a candidate is wrong or unusable; 2 the request is wrong; 3 nothing could be decided.
    """
    from verifier.reports.terminal import open_console
    from verifier.verification.judging import judge

    if profile == "grading" and seed is not None:
        say(f"--seed {seed} under grading: whoever knows the seed knows the networks. Without it each run draws its own.")
    asked: dict[str, Any] = {
        "profile": profile,
        "only": only,
        "seed": seed,
        "assignment": assignment,
        "preset": preset,
        "limits": limits,
        "isolation": isolation,
        "keep_measurements": keep_measurements,
        "trust_references": trust_references,
        "time_limit": time_limit,
        "rung": rung,
    }
    files = parse_outputs(outputs)
    known = () if baseline is None else read_baseline_file(baseline)
    with ProgressBar() as progress, kept_journal(Path(report_dir), candidates, asked, resume) as journal:
        chosen = formats or (PAGES_OF_A_CLASS if assignment is not None else ())
        run = Run(open_console(), Path(report_dir), chosen, fail_on, progress.clear, files, known)
        apart = [report_dir, *(str(output.path) for output in files)]
        kept = earlier_reports(Path(report_dir), asked, fresh) if assignment is not None else None
        run.kept = kept
        once: dict[str, Any] = {
            "expecting": run.expect,
            "jobs": jobs,
            "cluster": cluster,
            "kept": kept,
            "run_limit": math.inf if run_limit is None else run_limit,
        }
        answers = judge(candidates, **asked, progress=progress, journal=journal, apart=apart, **once)
        with interruptible():
            status = run.take(answers)
        if journal is not None:
            journal.complete = run.complete
        return status


def read_baseline_file(file: str) -> tuple[Known, ...]:
    """The known failures in a file. Raises RequestError where it cannot be read."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError(f"cannot read the baseline {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RequestError(f"cannot read the baseline {file}: {error}") from None
    return read_baseline(text, file)


def earlier_reports(directory: Path, asked: Mapping[str, Any], fresh: bool) -> KeptReports | None:
    """The reports of earlier runs that asked the same; none of them where all is to be judged afresh. None where there is no assignment."""
    from verifier.reports.folder import report_folder
    from verifier.verification.keeping import KeptReports

    decides = dict(asked)
    with contextlib.suppress(OSError):
        decides["assignment"] = Path(asked["assignment"]).read_text(encoding="utf-8", errors="replace")
    return KeptReports(directory, lambda name: report_folder(directory, name), decides, fresh=fresh)


@contextlib.contextmanager
def kept_journal(directory: Path, candidates: Sequence[str], asked: Mapping[str, Any], resume: bool) -> Iterator[Journal | None]:
    """The run's journal; None where none can be written there, which whoever writes the reports will say."""
    from verifier.verification.journal import open_journal

    file = asked["assignment"]
    decides = {**asked, "candidates": [os.path.abspath(path) if os.path.exists(path) else path for path in candidates]}
    with contextlib.suppress(OSError):
        decides["assignment"] = file and Path(file).read_text(encoding="utf-8", errors="replace")
    try:
        journal = open_journal(directory, decides, resume=resume)
    except OSError:
        yield None
        return
    try:
        yield journal
    finally:
        journal.close()
        if journal.trouble is not None:
            say(f"The journal in {directory} takes no more ({journal.trouble}): what was judged since then cannot be resumed.")


def lightened(report: Report) -> Report:
    """The report without what only its own page shows; enough for the table over all."""
    example = report.counterexample
    small = None if example is None else structs.replace(example, arrays={}, claimed={}, reference={}, walkthrough=())
    return structs.replace(report, measurements=(), printed="", counterexample=small)


@dataclass
class Run:
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
            kept = f", their reports are in {self.directory}. The same command with --resume goes on." if self.reports else "."
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
            self.console.print(f"{self.cut} not judged within --run-limit: the same command with --resume goes on.")
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
