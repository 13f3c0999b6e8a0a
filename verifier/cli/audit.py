"""`verifier audit`: would a project's tests notice a wrong gradient?"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verifier.cli import say
from verifier.cli.exit_status import CANDIDATE_WRONG, PASSED, UNDECIDED
from verifier.cli.stored import write_text
from verifier.errors import RequestError

if TYPE_CHECKING:
    from verifier.audit.results import Audit

FORMATS = ("json", "markdown", "html", "baseline", "tests")


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@click.command(context_settings={"ignore_unknown_options": False})
@click.option("--package", metavar="NAME", help="Only backward passes of this package (default: all in the folder except in tests).")
@click.option(
    "--backward", multiple=True, metavar="PATTERN", help="Also functions and methods with these names, such as package.layers:*_backward."
)
@click.option("--only", multiple=True, metavar="PATTERN", help="Only backward passes with these names.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes at a time (default: one per core).")
@click.option("--time-limit", type=click.FloatRange(min=0), metavar="SECONDS", help="Limit for everything after the recording run.")
@click.option("--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit with status 1 if fewer mutants are noticed.")
@click.option("--baseline", metavar="FILE", help="Known survivors; exit with status 1 if there are others, or one is now noticed.")
@click.option("--output", "outputs", multiple=True, metavar="FORMAT=FILE", help=f"Write to a file: {', '.join(FORMATS)}.")
@click.option("--leave-out-failing", is_flag=True, help="Continue without the tests that fail without any mutant.")
@click.option("--fresh", is_flag=True, help="A new process for each mutant instead of a fork.")
@click.option("--no-cache", is_flag=True, help="Ask about everything, whatever earlier audits found.")
@click.option("--no-resolution", is_flag=True, help="Do not measure the smallest error that each test notices.")
@click.option("--no-proposals", is_flag=True, help="Do not look for tests that would notice.")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def audit(
    package: str | None,
    backward: tuple[str, ...],
    only: tuple[str, ...],
    jobs: int | None,
    time_limit: float | None,
    fail_under: float | None,
    baseline: str | None,
    outputs: tuple[str, ...],
    leave_out_failing: bool,
    fresh: bool,
    no_cache: bool,
    no_resolution: bool,
    no_proposals: bool,
    pytest_arguments: tuple[str, ...],
) -> int:
    """Would your gradient tests notice a mistake? Makes one at a time in each hand-written backward pass, and runs the tests that reach it.

    Runs in your own environment, as python -m pytest would; what follows -- goes to pytest.

    Exit status: 0 audited; 1 fewer than --fail-under are noticed, or not as the baseline says; 2 the request is wrong, for example there
    is no backward pass; 3 nothing could be decided: a test is flaky, or fails without any mutant.
    """
    from verifier.audit.launching import audit as run
    from verifier.audit.reporting.terminal import show
    from verifier.cli.progress import ProgressBar
    from verifier.reports.terminal import open_console

    files = [_parsed(word) for word in outputs]
    known = None if baseline is None else _read_baseline(baseline)
    spec: Mapping[str, Any] = {
        "arguments": pytest_arguments,
        "root": str(Path.cwd()),
        "package": package,
        "backward": backward,
        "only": only,
        "at_once": jobs or cores(),
        "seconds": time_limit,
        "fresh": fresh,
        "resolution": not no_resolution,
        "propose": not no_proposals,
        "keep": not no_cache,
        "leave_out_failing": leave_out_failing,
        "command": shlex.join(["verifier", "audit", *sys.argv[2:]]),
    }
    with ProgressBar() as progress:
        found = run(dict(spec), progress)
    show(found, open_console())
    for name, path in files:
        _write(found, name, path)
    return status_of(found, fail_under, known)


def status_of(found: Audit, fail_under: float | None, known: Any) -> int:
    """The exit status, as a function of the audit."""
    if found.flaky or (found.failing and not found.functions):
        return UNDECIDED
    status = PASSED
    if fail_under is not None and found.percent < fail_under:
        say(f"{found.percent:.1f} % of the mutants are noticed, fewer than {fail_under:g} %.")
        status = CANDIDATE_WRONG
    if known is not None:
        from verifier.audit.baseline import departures

        for sentence in departures(found, known):
            say(f"Baseline: {sentence}")
            status = CANDIDATE_WRONG
    return status


def _parsed(word: str) -> tuple[str, Path]:
    name, equals, file = word.partition("=")
    if not equals or not file or name not in FORMATS:
        raise RequestError(f"--output {word!r}: write FORMAT=FILE, with FORMAT one of {', '.join(FORMATS)}")
    folder = Path(file).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):  # now, not after minutes of audit
        raise RequestError(
            f"cannot write {file}: " + (f"nothing may be written in {folder}" if folder.is_dir() else f"there is no folder {folder}")
        )
    return name, Path(file)


def _read_baseline(file: str) -> Any:
    from verifier.audit.baseline import read_baseline

    try:
        return read_baseline(Path(file).read_text(encoding="utf-8"), file)
    except OSError as error:
        raise RequestError(f"cannot read the baseline {file}: {error.strerror}") from None


def _write(found: Audit, name: str, path: Path) -> None:
    from verifier.audit.reporting.formats import written

    try:
        write_text(path, written(found, name))
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror or error}") from None
