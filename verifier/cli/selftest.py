"""`verifier selftest`: the harness measured on itself, every known mistake against every check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from verifier.cli.exit_status import UNDECIDED
from verifier.cli.progress import ProgressBar
from verifier.counting import counted
from verifier.errors import RequestError

if TYPE_CHECKING:
    from verifier.diagnosis.mlp.selftesting import Trial

MARKS = {"fail": "x", "pass": ".", "skipped": " ", "error": "!", "inconclusive": "?"}


@click.command()
@click.option("--fault", "chosen", multiple=True, metavar="FAULT", help="Only this fault (may be repeated).")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the networks.")
def selftest(chosen: tuple[str, ...], seed: int) -> int:
    """Plant every known mistake and see which checks find it and how it is named.

    Exit status: 0 if every mistake is found and none is named wrongly, else 3: do not trust the harness then.
    """
    from rich.text import Text

    from verifier.diagnosis.mlp.faults import BY_ID, FAULTS
    from verifier.diagnosis.mlp.selftesting import CHECK_IDS, try_faults
    from verifier.reports.terminal import open_console

    unknown = [name for name in chosen if name not in BY_ID]
    if unknown:
        raise RequestError(f"there is no fault {unknown[0]!r}; `verifier faults` lists them")
    faults = [BY_ID[name] for name in chosen] or FAULTS
    trials: list[Trial] = []
    with ProgressBar() as progress:
        for trial in try_faults(faults, seed=seed):
            trials.append(trial)
            progress(trial.fault, len(trials), len(faults))
    console = open_console()
    console.print(f"Columns: {', '.join(f'{number} {check}' for number, check in enumerate(CHECK_IDS, 1))}", soft_wrap=True)
    console.print("x found, . not found; then how it is named (= rightly, ~ rightly, as one of a group, ? not named, ! wrongly)")
    console.print()
    console.print(Text(" ".join(str(number) for number in range(1, len(CHECK_IDS) + 1)) + "    fault", "bold"))
    for trial in trials:
        marks = " ".join(MARKS[trial.statuses.get(check, "skipped")] for check in CHECK_IDS)
        console.print(Text(f"{marks}  {verdict(trial)} {trial.fault}  ({trial.contract})" + _names(trial)), soft_wrap=True)
    console.print()
    console.print(summary(trials))
    return 0 if all(trial.found and not trial.wrongly for trial in trials) else UNDECIDED


def verdict(trial: Trial) -> str:
    """= named itself, ~ named in a group that no network tells apart, ? not named, ! named wrongly."""
    if trial.wrongly:
        return "!"
    if not trial.rightly:
        return "?"
    return "=" if trial.named[0] == trial.fault else "~"


def _names(trial: Trial) -> str:
    return "" if verdict(trial) == "=" else f": {', '.join(trial.named) or 'nothing'}"


def summary(trials: list[Trial]) -> str:
    """How many were found and named."""
    found, rightly, wrongly = (sum(getattr(trial, name) for trial in trials) for name in ("found", "rightly", "wrongly"))
    return f"{counted(len(trials), 'mistake')}: {found} found, {rightly} named rightly (itself or its group), {wrongly} named wrongly."
