"""`verifier list`: what there is to ask, to claim and to plug in."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from verifier.verification.profiles import Profile

PLUG_INS = ("verifier.candidates", "verifier.checks", "verifier.reports", "verifier.operations")
SECTIONS = ("contracts", "checks", "operations", "faults", "profiles", "formats", "plug-ins")


@click.command("list")
@click.argument("sections", nargs=-1, type=click.Choice(SECTIONS), metavar="[SECTION]...")
def inventory(sections: tuple[str, ...]) -> int:
    """Show contracts, checks, operations, faults, profiles, report formats and plug-ins (or only these SECTIONs)."""
    from rich.table import Table
    from rich.text import Text

    from verifier.reports.terminal import open_console
    from verifier.reports.untrusted import one_line

    console = open_console()
    for position, section in enumerate(sections or SECTIONS):
        if position:
            console.print()
        console.print(Text(section.capitalize(), "bold"))
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, words in entries(section):
            table.add_row(Text("  " + one_line(name)), Text(one_line(words)))
        console.print(table if table.row_count else Text("  none", "dim"))
    return 0


def entries(section: str) -> Iterator[tuple[str, str]]:
    """Names and what they are, of one section. Plug-ins are read as text: listing them imports none."""
    if section == "contracts":
        from verifier.contracts.catalogue import contract_ids, contract_of

        yield from ((name, contract_of(name).summary) for name in contract_ids())
    elif section == "checks":
        from verifier.checks.catalogue import check_ids, describe

        yield from ((check, describe(check)) for check in check_ids())
    elif section == "operations":
        from verifier.problems.operations import OPERATIONS

        yield from ((operation.name, operation.summary) for operation in OPERATIONS.values())
    elif section == "faults":
        from verifier.cli import faults

        yield from faults.entries()
    elif section == "profiles":
        from verifier.verification.profiles import PROFILES

        yield from ((name, _profile_words(profile)) for name, profile in PROFILES.items())
    elif section == "formats":
        from verifier.reports.formats import FORMATS

        yield from ((format.name, f"{format.file}: {format.summary}") for format in FORMATS.values())
    else:
        for group in PLUG_INS:
            yield from ((entry.name, f"{group}: {entry.value}") for entry in importlib.metadata.entry_points(group=group))


def _profile_words(profile: Profile) -> str:
    seed = "a fresh seed, printed" if profile.seed is None else f"seed {profile.seed}"
    return f"{profile.networks:,} networks, {profile.differences} of them with finite differences; {seed}"
