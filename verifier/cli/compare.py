"""`verifier compare`: what got better and what got worse between two runs."""

from pathlib import Path

import click

from verifier.cli.exit_status import CANDIDATE_WRONG, PASSED
from verifier.cli.stored import read_reports

FORMATS = ("terminal", "markdown", "json")


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True, help="The output format.")
@click.option("--fail-on", type=click.Choice(["accuracy"]), help="Exit with status 1 also if last bits were lost.")
def compare(old: str, new: str, form: str, fail_on: str | None) -> int:
    """Compare two runs: verdicts, checks, and accuracy in last bits where both pass.

    OLD and NEW are report.json files, report folders, or folders of them. Candidates are matched by name.

    Exit status: 0 nothing got worse; 1 something did, or is no longer judged; 2 the request is wrong.
    """
    from verifier.reports.changes import write
    from verifier.results.comparison import compare as changes_between

    changes = changes_between(read_reports(Path(old)), read_reports(Path(new)))
    click.echo(write(changes, form), nl=False)
    worse = any(one.change in ("worse", "gone") for one in changes)
    lost = fail_on == "accuracy" and any(one.lost_accuracy for one in changes)
    return CANDIDATE_WRONG if worse or lost else PASSED
