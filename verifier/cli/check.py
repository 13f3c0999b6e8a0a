"""`verifier check`: judge candidates, show each verdict, and write their reports."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from verifier.candidates.spawning import begun_ahead
from verifier.cli import say
from verifier.cli.answers import Answers
from verifier.cli.exit_status import FAIL_ON
from verifier.cli.interrupts import interruptible
from verifier.cli.outputs import parse_outputs
from verifier.cli.progress import ProgressBar
from verifier.cli.project import NO_PROJECT, PARAMETERS, Project, nearest_project, read_project, read_project_file
from verifier.errors import RequestError
from verifier.reports.formats import FORMATS
from verifier.results.baseline import Known, read_baseline

if TYPE_CHECKING:
    from verifier.candidates.zygote import Isolation
    from verifier.verification.journal import Journal
    from verifier.verification.keeping import KeptReports

PROFILES = ("quick", "ci", "thorough", "grading")
ISOLATION = ("auto", "require", "off")
PRESETS = ("cs231n", "mytorch", "deeplearning-ai", "minitorch")
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
            say(f"{os.path.relpath(unread)} is not read under an assignment or --profile grading; to read one, name it with --config.")
        return NO_PROJECT


def _as_option(name: str, value: Any) -> str:
    """A parameter as the project file has it."""
    option = {parameter: key for key, parameter in PARAMETERS.items()}.get(name, name.replace("_", "-"))
    return f"{option} = {', '.join(map(str, value)) if isinstance(value, tuple) else value}"


@click.command(cls=InProject)
@click.argument("candidates", nargs=-1, required=True, metavar="CANDIDATE...")
@click.option("--profile", type=click.Choice(PROFILES), default="ci", show_default=True, help="How many networks: 40, 200, 2,000, 200.")
@click.option("--only", multiple=True, metavar="CHECK", callback=known_checks, help="Ask this check alone (may be repeated).")
@click.option("--seed", type=click.IntRange(min=0), help="Draws the networks; the same seed gives the same report.")
@click.option("--fail-on", multiple=True, type=click.Choice(FAIL_ON), help="Exit with status 1 for this too (may be repeated).")
@click.option("--assignment", metavar="FILE", help="A TOML file that fixes claims, limits and imports.")
@click.option("--config", metavar="FILE", expose_value=False, help="Take defaults from [tool.verifier] of this file, and from no other.")
@click.option("--preset", type=click.Choice(PRESETS), help="For a file without a manifest: the course whose function names it uses.")
@click.option(
    "--limit", "limits", multiple=True, metavar="NAME=VALUE", help="Such as wall_seconds=5, as in an assignment (may be repeated)."
)
@click.option("--resume", is_flag=True, help="Continue the same run where it was interrupted.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many candidates are judged side by side; by default one per processor.")
@click.option("--dask", "cluster", metavar="ADDRESS", help="Judge on the Dask cluster with this scheduler address or file.")
@click.option(
    "--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Of one candidate, which is asked fewer networks."
)
@click.option("--rung", type=click.IntRange(0, 6), help="Ask a half (1), a quarter (2), … of the networks, as an earlier run did.")
@click.option(
    "--run-limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Of the whole run; the rest is inconclusive."
)
@click.option("--fresh", is_flag=True, help="Judge everything again, also what has not changed since an earlier run.")
@click.option("--report-dir", metavar="DIR", default="reports", show_default=True, help="Reports go to DIR/<name>/.")
@click.option("--format", "formats", multiple=True, type=click.Choice(tuple(FORMATS)), help="Written beside report.json (may be repeated).")
@click.option("--output", "outputs", multiple=True, metavar="FORMAT=FILE", help="Write the whole run to a file (may be repeated).")
@click.option("--baseline", metavar="FILE", help="Known failures, which must still fail for their stated reason.")
@click.option("--keep-measurements", is_flag=True, help="Under an assignment, keep every measurement, not only the worst.")
@click.option("--trust-references", is_flag=True, help="I wrote the files of contract reference: their references run unconfined.")
@click.option("--isolation", type=click.Choice(ISOLATION), help="How far it must be confined (default: auto; under grading: require).")
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

    Each CANDIDATE runs in isolation on random networks and is compared with finite differences, PyTorch and general properties.

    Options that are not given come from [tool.verifier] in the nearest pyproject.toml that has it; under an assignment or the profile
    grading, only from the file that --config names.

    Exit status: 0 all pass; 1 a candidate is wrong or unusable; 2 the request is wrong; 3 nothing could be decided.
    """
    if len(candidates) == 1 and cluster is None:
        click.get_current_context().with_resource(begun_ahead(isolated=isolation != "off"))
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
    if assignment is not None:
        tell_what_is_left_open(assignment)
    graded = assignment is not None or profile == "grading"
    believed = not graded or what_was_kept_is_ours(isolation)
    if resume and not believed:
        say("--resume begins anew: where files are not confined, a candidate can have written the journal, and signed it.")
    files = parse_outputs(outputs)
    known = () if baseline is None else read_baseline_file(baseline)
    with ProgressBar() as progress, kept_journal(Path(report_dir), candidates, asked, resume and believed) as journal:
        chosen = formats or (PAGES_OF_A_CLASS if assignment is not None else ())
        run = Answers(open_console(), Path(report_dir), chosen, fail_on, progress.clear, files, known)
        apart = [report_dir, *(str(output.path) for output in files)]
        kept = earlier_reports(Path(report_dir), asked, fresh) if assignment is not None and believed else None
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


def tell_what_is_left_open(file: str) -> None:
    """Warn where a submission that leaves out what is hard loses nothing by it. Raises RequestError where the file is no assignment."""
    from verifier.candidates.assignment import read_assignment

    left_open = read_assignment(file).left_open
    if left_open:
        say(f"{file} asks for the {left_open} that a submission has: whoever leaves one out loses nothing. This is practice, not a grade.")


def read_baseline_file(file: str) -> tuple[Known, ...]:
    """The known failures in a file. Raises RequestError where it cannot be read."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError(f"cannot read the baseline {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RequestError(f"cannot read the baseline {file}: {error}") from None
    return read_baseline(text, file)


def what_was_kept_is_ours(isolation: Isolation | None) -> bool:
    """Whether no candidate can have read the key that signs journals and reports: where files are confined."""
    from verifier.candidates.zygote import files_can_be_confined

    return isolation != "off" and files_can_be_confined()


def earlier_reports(directory: Path, asked: Mapping[str, Any], fresh: bool) -> KeptReports | None:
    """The reports of earlier runs that asked the same; none of them where all is to be judged afresh. None where there is no assignment."""
    from verifier.candidates.assignment import read_assignment
    from verifier.reports.folder import report_folder
    from verifier.verification.keeping import KeptReports

    decides = dict(asked)
    with contextlib.suppress(OSError):
        decides["assignment"] = read_assignment(asked["assignment"]).text
    return KeptReports(directory, lambda name: report_folder(directory, name), decides, fresh=fresh)


@contextlib.contextmanager
def kept_journal(directory: Path, candidates: Sequence[str], asked: Mapping[str, Any], resume: bool) -> Iterator[Journal | None]:
    """The run's journal; None where none can be written there, which whoever writes the reports will say."""
    from verifier.candidates.assignment import read_assignment
    from verifier.verification.journal import open_journal

    file = asked["assignment"]
    decides = {**asked, "candidates": [os.path.abspath(path) if os.path.exists(path) else path for path in candidates]}
    with contextlib.suppress(OSError):
        decides["assignment"] = file and read_assignment(file).text
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
