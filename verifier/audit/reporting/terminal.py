"""An audit for the terminal: the table, then for each pass what is not noticed and the test that would notice."""

import textwrap

from rich.console import Console
from rich.table import Table
from rich.text import Text

from verifier.audit.reporting import wording
from verifier.audit.results import Audit, Function

STYLES = {"not-noticed": "bold red", "never-shown": "yellow", "not-reached": "bold magenta", "noticed": "green"}


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
    for name in ("noticed", "NOT NOTICED", "never shown", "not reached", "sees errors above"):
        table.add_column(name, justify="right")
    for function in audit.functions:
        counts = [str(wording.count(function, outcome) or "·") for outcome in ("noticed", "not-noticed", "never-shown", "not-reached")]
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
    if function.tests:
        for finding in found:
            style = STYLES[finding.outcome]
            text = Text(f"  {wording.WORDS[finding.outcome]:<12}", style=style)
            outputs = ", ".join(finding.outputs)
            shown = f"; shown by {finding.shown_by}" if finding.outcome == "never-shown" else ""
            console.print(text.append(f"{finding.mutant}: the gradient of {outputs} {finding.summary}{shown}", style="default"))
    for proposal in function.proposals:
        mutants = ", ".join(dict.fromkeys(name for _, name in proposal.notices))
        _say(console, f"This test notices {mutants}:")
        console.print(Text(textwrap.indent(proposal.source.rstrip(), "      ")))
    if function.unproposed and found:
        _say(console, f"No test to propose: {function.unproposed}.")


def _say(console: Console, line: str) -> None:
    console.print(Text(f"  {line}"))
