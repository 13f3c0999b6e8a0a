"""`verifier explain`: a stored problem, or the worked example, line by line.

Not in a module `explain`: importing it would put the module in the place of the package's function of that name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from verifier.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from verifier.results.report import Report, Step


@click.command()
@click.argument("file", required=False, metavar="[FILE]")
@click.argument("candidate", required=False, metavar="[CANDIDATE]")
@click.option("--worked-example", is_flag=True, help="Show the worked example, with and without rounding.")
@click.option("--terms", is_flag=True, help="Explain the words used in a report.")
def explain(file: str | None, candidate: str | None, worked_example: bool, terms: bool) -> int:
    """Work a stored problem by hand, line by line.

    FILE is a counterexample.safetensors, or a report.json (or its folder), which adds the candidate's numbers to the lines.
    If a CANDIDATE is given, it is asked about the problem again.
    """
    from verifier.reports.terminal import open_console

    console = open_console()
    if terms:
        show_terms(console)
        return 0
    if worked_example:
        show_worked_example(console)
        return 0
    if file is None:
        raise RequestError("say what to explain: a stored problem (counterexample.safetensors), a report.json, --worked-example or --terms")
    if candidate is not None:
        from verifier.verification.judging import replay

        return _show_report(replay(file, candidate).report, console)
    if Path(file).is_dir() or Path(file).suffix == ".json":
        from verifier.cli.stored import read_reports

        reports = read_reports(Path(file))
        if len(reports) != 1:
            raise RequestError(
                f"{file}: explain takes one report, there are {len(reports)}: {', '.join(one.candidate.name for one in reports)}"
            )
        return _show_report(reports[0], console)
    _show_problem(file, console)
    return 0


def show_terms(console: Console) -> None:
    """Every word of a report that a reader may not know, and what it means."""
    from rich.table import Table
    from rich.text import Text

    from verifier.reports.wording import TERMS

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for term, meaning in TERMS.items():
        table.add_row(Text(term, "bold"), Text(meaning))
    console.print(table)


def _show_problem(file: str, console: Console) -> None:
    from verifier.diagnosis.mlp.walkthrough import work_through
    from verifier.oracles.reference import refer
    from verifier.problems.storage import problem_from_bytes

    try:
        problem = problem_from_bytes(Path(file).read_bytes())
    except OSError as error:
        raise RequestError(f"{file}: cannot be read: {error.strerror}") from None
    except RequestError as error:
        raise RequestError(f"{file}: {error}") from None
    console.print(problem.description)
    for name, array in problem.arrays.items():
        console.print(f"  {name} = {array.tolist()}", soft_wrap=True)
    _show(work_through(problem, refer(problem)), console)


def _show_report(report: Report, console: Console) -> int:
    example = report.counterexample
    if example is None:
        console.print(f"{report.verdict}: there is no failing network to explain.")
        return 0
    console.print(example.problem)
    for name, values in example.arrays.items():
        console.print(f"  {name} = {values}", soft_wrap=True)
    _show(example.walkthrough, console)
    if report.diagnosis:
        console.print()
        console.print(report.diagnosis[0].explanation)
    return 0


def _show(steps: tuple[Step, ...], console: Console) -> None:
    from rich.text import Text

    from verifier.reports.terminal import show_worked
    from verifier.reports.walkthrough import lines_of

    if not steps:
        console.print("This network is too large to be worked by hand.")
        return
    before = ""
    for line in lines_of(steps):
        if line.equation != before:
            console.print(Text(f"  {line.equation.replace('-', ' ').capitalize()}", "bold"))
            before = line.equation
        show_worked([line], console)


def show_worked_example(console: Console) -> None:
    """The example four times: unrounded, rounding at every step, as printed, and of the loss as its text states it."""
    from rich.table import Table
    from rich.text import Text

    from verifier.diagnosis.mlp.worked_example import CONTRADICTION, worked_example

    console.print("The worked example: x = [1, 2], w₁ = 0.5, w₂ = 0.3, w₃ = 0.8, y = 1, η = 0.1; sigmoid, no biases.")
    console.print()
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="bold")
    table.add_column("line", no_wrap=True)
    for heading in ("unrounded", "rounding", "printed", "of (y-ŷ)²"):
        table.add_column(heading, justify="right", no_wrap=True)
    lines = worked_example()
    for line in lines:
        printed = Text((line.printed or "") + (" *" if line.by_rounding else "  "), "yellow" if line.by_rounding else "")
        full = "" if line.full is None else f"{line.full:.5f}"
        table.add_row(Text(line.formula), f"{line.exact:.5f}", f"{line.rounded:.5g}", printed, Text(full, "red"))
    console.print(table)
    console.print()
    console.print("* These last digits come from rounding at every step; without it they would be different.")
    console.print(
        "Columns: no rounding on the way; rounding every step as the text does; what the text prints; the gradient of the loss it states."
    )
    console.print()
    console.print(CONTRADICTION)
    console.print('The candidate reference_impls/worked_example/squared_error.py fails for it; claiming "half_squared_error" it passes.')
