"""`verifier faults`: the catalogue of known mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from verifier.errors import RequestError
from verifier.results.equations import EQUATIONS

if TYPE_CHECKING:
    from verifier.diagnosis.mlp.variation import Fault


@click.command()
@click.argument("name", required=False, metavar="[FAULT]")
def faults(name: str | None) -> int:
    """List the known mistakes by the equation that they break, or show one FAULT with its remedy."""
    from rich.text import Text

    from verifier.diagnosis.mlp.faults import BY_ID, FAULTS
    from verifier.reports.terminal import open_console

    console = open_console()
    if name is not None:
        if name not in BY_ID:
            raise RequestError(f"there is no fault {name!r}{_near(name, tuple(BY_ID))}; `verifier faults` lists them")
        fault = BY_ID[name]
        console.print(Text.assemble((fault.id, "bold"), f" (equation: {fault.equation})"))
        console.print(f"{words(fault)} {fault.hint}")
        return 0
    for equation in EQUATIONS:
        found = [fault for fault in FAULTS if fault.equation == equation]
        console.print(Text(f"{equation} ({len(found)})", "bold"))
        for fault in found:
            console.print(Text.assemble("  ", (fault.id, "cyan"), f"  {words(fault)}"), soft_wrap=True)
        console.print()
    console.print(f"{len(FAULTS)} known mistakes. `verifier faults FAULT` says how to fix one.")
    return 0


def words(fault: Fault) -> str:
    """Its explanation, a free constant called by its name."""
    return fault.explanation.replace("{c}", "c")


def entries() -> Iterator[tuple[str, str]]:
    """Every fault's name and what it is."""
    from verifier.diagnosis.mlp.faults import FAULTS

    yield from ((fault.id, words(fault)) for fault in FAULTS)


def _near(name: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
