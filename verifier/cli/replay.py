"""`verifier replay`: one stored counterexample, run again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from verifier.cli.answers import Answers
from verifier.cli.check import ISOLATION
from verifier.cli.exit_status import overall, status_of
from verifier.cli.progress import ProgressBar
from verifier.reports.formats import FORMATS

if TYPE_CHECKING:
    from verifier.candidates.zygote import Isolation


@click.command()
@click.argument("file", metavar="FILE")
@click.argument("candidate", metavar="CANDIDATE")
@click.option("--assignment", metavar="FILE", help="A TOML file that fixes claims, limits and imports.")
@click.option(
    "--limit", "limits", multiple=True, metavar="NAME=VALUE", help="Such as wall_seconds=5, as in an assignment (may be repeated)."
)
@click.option("--isolation", type=click.Choice(ISOLATION), default="auto", show_default=True, help="How far it must be confined.")
@click.option("--report-dir", metavar="DIR", help="Write a report to DIR/<name>/ (by default none is written).")
@click.option("--format", "formats", multiple=True, type=click.Choice(tuple(FORMATS)), help="Also write this format (with --report-dir).")
def replay(
    file: str,
    candidate: str,
    assignment: str | None,
    limits: tuple[str, ...],
    isolation: Isolation,
    report_dir: str | None,
    formats: tuple[str, ...],
) -> int:
    """Run the stored counterexample FILE on CANDIDATE.

    FILE is the counterexample.safetensors in the report folder of a run that failed. The exit status is that of check.
    """
    from verifier.reports.terminal import open_console, show
    from verifier.verification.judging import replay as replay_file

    with ProgressBar() as progress:
        judged = replay_file(file, candidate, assignment=assignment, limits=limits, isolation=isolation, progress=progress)
        if report_dir is not None:
            return Answers(open_console(), Path(report_dir), formats, before_printing=progress.clear).take(iter([judged]))
        progress.clear()
        show(judged.report, open_console())
        return overall([status_of(judged.report)])
