"""`verifier watch`: judge a candidate again whenever it is saved, and show one screen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from verifier.cli.exit_status import WRONG_REQUEST, status_of
from verifier.counting import counted
from verifier.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from verifier.candidates.zygote import Isolation
    from verifier.results.report import Report

PROFILES = ("quick", "ci")
ISOLATION = ("auto", "require", "off")
BETWEEN_LOOKS = 0.15  # seconds
MOST_FILES = 2000  # of a folder: beyond, a look would take longer than a run

Stamps = Mapping[Path, tuple[int, int]]
"""Time of the last change and size, by file."""


@click.command()
@click.argument("candidate", metavar="CANDIDATE")
@click.option("--profile", type=click.Choice(PROFILES), default="quick", show_default=True, help="How many networks: 40, 200.")
@click.option("--assignment", metavar="FILE", help="A TOML file that fixes claims, limits and imports.")
@click.option("--isolation", type=click.Choice(ISOLATION), default="auto", show_default=True, help="How far it must be confined.")
def watch(candidate: str, profile: str, assignment: str | None, isolation: Isolation) -> int:
    """Judge CANDIDATE again on every save, until Ctrl-C.

    The exit status is that of the last run.
    """
    from verifier.reports.terminal import open_console
    from verifier.reports.untrusted import one_line

    console = open_console()
    status = WRONG_REQUEST

    def run() -> Report | RequestError:
        console.clear()  # on a terminal alone
        console.print(f"Judging {one_line(candidate)} …")  # the first run takes seconds
        return judge_once(candidate, profile=profile, assignment=assignment, isolation=isolation)

    try:
        for answer, seconds in runs(run, lambda: stamps(candidate, assignment)):
            status = WRONG_REQUEST if isinstance(answer, RequestError) else status_of(answer)
            show_screen(answer, seconds, candidate, console)
    except KeyboardInterrupt:
        console.print()
    return status


def runs(
    run: Callable[[], Report | RequestError], look: Callable[[], Stamps], pause: Callable[[float], None] = time.sleep
) -> Iterator[tuple[Report | RequestError, float]]:
    """One run now and one after every change, with its seconds; what changes during a run is judged in the next."""
    while True:
        seen = look()
        started = time.perf_counter()
        answer = run()
        yield answer, time.perf_counter() - started
        while look() == seen:
            pause(BETWEEN_LOOKS)


def judge_once(candidate: str, *, profile: str, assignment: str | None, isolation: Isolation) -> Report | RequestError:
    """The report, or what is wrong with the request: a manifest that is being written is wrong now and then."""
    from verifier.verification.judging import judge

    try:
        answers = list(judge([candidate], profile=profile, assignment=assignment, isolation=isolation))
    except RequestError as error:
        return error
    if len(answers) != 1:
        return RequestError(f"{candidate} has {counted(len(answers), 'candidate')}: watch takes one")
    answer = answers[0]
    if isinstance(answer, RequestError):
        return answer
    if isinstance(answer, Exception):
        raise answer
    return without_file(answer.report)


def without_file(report: Report) -> Report:
    """The report of a run that writes nothing: there is no file of its counterexample to replay."""
    from msgspec.structs import replace

    return report if report.counterexample is None else replace(report, counterexample=replace(report.counterexample, file=None))


def stamps(candidate: str, assignment: str | None = None) -> Stamps:
    """Every file whose change may change the verdict: the candidate's file, or all of its folder's, and the assignment."""
    place = Path(candidate)
    found: dict[Path, tuple[int, int]] = {}
    if not place.exists():
        place = _installed_file(candidate) or place
    for path in [*_files(place), *([Path(assignment)] if assignment else [])]:
        try:
            status = path.stat()
        except OSError:
            continue  # an editor may be putting another file in its place
        found[path] = (status.st_mtime_ns, status.st_size)
    return found


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    found: list[Path] = []
    for parent, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        found += [Path(parent) / name for name in names if not name.startswith(".")]
        if len(found) > MOST_FILES:
            break
    return found[:MOST_FILES]


def _installed_file(candidate: str) -> Path | None:
    from verifier.candidates.discovery import find_candidates

    found, _ = find_candidates([candidate])
    return found[0].file if found else None


def show_screen(answer: Report | RequestError, seconds: float, candidate: str, console: Console) -> None:
    """One screen: the report from its top, as many lines as there is room for, and when it was made."""
    from verifier.reports.terminal import show
    from verifier.reports.untrusted import one_line

    console.clear()  # on a terminal alone
    with console.capture() as captured:
        if isinstance(answer, RequestError):
            console.print(f"Error: {one_line(str(answer))}")
        else:
            show(answer, console)
    lines = captured.get().rstrip("\n").split("\n")
    room = console.height - 2 if console.is_terminal else len(lines)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"… {counted(len(lines) - room + 1, 'more line')}: verifier check {candidate}"]
    console.file.write("\n".join(lines) + "\n")
    console.print(f"{time.strftime('%H:%M:%S')}, {seconds:.1f} s. Watching {one_line(candidate)}: save it to run again, Ctrl-C ends.")
