"""An audit for the terminal: the table, then for each pass what is not noticed and the test that would notice."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from verifier.audit.reporting import wording
from verifier.audit.results import FINDINGS, Audit, Function, Outcome

STYLES: dict[Outcome, str] = {"not-noticed": "bold red", "never-shown": "yellow", "not-reached": "bold magenta", "noticed": "green"}


def show(audit: Audit, console: Console) -> None:
    """Print the audit."""
    console.print(Text(wording.headline(audit), style="bold"))
    if audit.flaky or (audit.failing and not audit.functions):
        for line in wording.undecided(audit):
            console.print(Text(line))
        return
    console.print(_table(audit))
    for function in audit.functions:
        _show_function(function, console)
    console.print()
    for line in wording.closing(audit):
        console.print(Text(line))


def _table(audit: Audit) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("backward pass", overflow="fold")
    for name in ("noticed", "NOT NOTICED", "never shown", "not reached", "sees above"):
        table.add_column(name, justify="right", no_wrap=name == "sees above")
    for function in audit.functions:
        counts = [str(function.count(outcome) or "·") for outcome in ("noticed", *FINDINGS)]
        sees = wording.figure(function.resolution) if function.resolutions else "·"
        table.add_row(Text(wording.short(function.name)), *counts, sees)
    return table


def _show_function(function: Function, console: Console) -> None:
    found = wording.findings(function)
    place = f" ({function.file}:{function.line})" if function.file else ""
    console.print()
    console.print(Text(f"{function.name}{place}", style="bold"))
    for line in (wording.reach(function), wording.resolution(function), wording.never_varied(function)):
        if line:
            _say(console, line)
    if not found:
        _say(console, "every mutant is noticed")
    for outcome, style in STYLES.items():
        mine = [finding for finding in found if finding.outcome == outcome]
        if mine and function.tests:
            text = Text(f"  {wording.WORDS[outcome]}: ", style=style)
            console.print(text.append(wording.listed(mine, function), style="default"))
    _show_proposals(function, console)
    if function.unproposed and found:
        _say(console, f"No test to propose: {function.unproposed}.")


def _show_proposals(function: Function, console: Console) -> None:
    """The first whole; of the others what is different."""
    first: list[str] = []
    for proposal in function.proposals:
        mutants = ", ".join(dict.fromkeys(name for _, name in proposal.notices))
        lines = proposal.source.rstrip().split("\n")
        if not first:
            _say(console, f"This test notices {mutants}:")
            first = lines
        else:
            _say(console, f"With these lines it notices {mutants}:")
            lines = [line for line in lines if line.strip() and line not in first and not line.startswith("def test_")]
        for line in lines:
            console.print(Text(f"      {line}"), soft_wrap=True)


def _say(console: Console, line: str) -> None:
    console.print(Text(f"  {line}"))
