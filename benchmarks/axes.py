"""Which axes find the planted wrong gradients, and what would pass without each of them.

    python -m benchmarks.axes [--draws 20] [--seed 0] [--only NAME] [--keep FILE --minutes M]

Every plant of `benchmarks.museum` is asked at the cases that a call of `assert_gradients` would draw, also after the first that fails.
An axis is *needed* by a plant where each failing case has it on: switched off, the plant would pass. Of right versions the number of
draws is given, and how many of them were accused. With `--keep` it goes on where it was stopped, and begins no further plant after so
many minutes; the table is written when the last plant was asked.
"""

import argparse
import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.exhibits import Exhibit
from benchmarks.museum import planted
from benchmarks.output import publish, versions
from verifier.oracles.references.asking import Prepared, Said, prepare
from verifier.oracles.references.space import AXES, Case


@dataclass(frozen=True)
class Exhibited:
    """Of one exhibit: the axes of each case that failed, how many of the right version's cases were asked, and which it failed."""

    failing: tuple[frozenset[str], ...]
    asked: int
    accused: tuple[str, ...]

    @property
    def needed(self) -> frozenset[str]:
        return frozenset.intersection(*self.failing) if self.failing else frozenset()


def axes_of(case: Case, base: Case) -> frozenset[str]:
    """What a case has on."""
    found = {f"usage: {value}" if axis == "usage" else axis for axis, value in case.axes.items() if value != AXES[axis][0]}
    found |= {"options"} if case.options != base.options else set()
    found |= {"sizes"} if case.sizes != base.sizes else set()
    return frozenset(found | ({"rank"} if case.rest != base.rest else set()))


def ask(exhibit: Exhibit, *, draws: int, seed: int) -> Exhibited:
    """Both versions at every case."""
    wrong, right = (_prepared(exhibit, functions, seed) for functions in (exhibit.wrong, exhibit.right))
    failing = _failing(wrong, draws)
    asked, accused = 0, []
    for case in _cases(right, draws):
        trial = right.judge.try_case(case)
        asked += not trial.skipped
        if trial.wrong is not None and trial.wrong.what != "refused":
            accused.append(f"{exhibit.name}: {trial.wrong.text}: {case}")
    return Exhibited(tuple(failing), asked, tuple(accused))


def _failing(wrong: Prepared, draws: int) -> list[frozenset[str]]:
    """The axes of the cases that fail; no more are asked than change what is said: none where the base fails."""
    found: list[frozenset[str]] = []
    for case in _cases(wrong, draws):
        needed = frozenset.intersection(*found) if found else None
        together = len(case.axes) > 1
        if frozenset() in found or (together and needed == frozenset()):
            break
        if wrong.judge.try_case(case).wrong is not None:
            found.append(axes_of(case, wrong.space.base))
    return found


def _cases(prepared: Prepared, draws: int) -> list[Case]:
    return [*prepared.space.alone(prepared.seed, 2), *prepared.space.combined(prepared.seed, draws)]


def _prepared(exhibit: Exhibit, functions: tuple[Callable[..., Any], ...], seed: int) -> Prepared:
    said = dict(exhibit.said)
    meant = said.pop("instead_of", None)
    truth = exhibit.reference or meant
    assert truth is not None
    return prepare(functions[0], (*functions[1:], *exhibit.arguments()), truth, Said(seed=seed, **said), outputs_too=meant is None)


def read(kept: Path | None) -> tuple[dict[str, Exhibited], dict[str, float]]:
    """What an earlier run found, and the seconds that each plant took."""
    found: dict[str, Exhibited] = {}
    taken: dict[str, float] = {}
    for line in kept.read_text(encoding="utf-8").splitlines() if kept is not None and kept.exists() else []:
        one = json.loads(line)
        failing = tuple(frozenset(axes) for axes in one["failing"])
        found[one["name"]] = Exhibited(failing, one["asked"], tuple(one["accused"]))
        taken[one["name"]] = one["seconds"]
    return found, taken


def write(kept: Path | None, name: str, found: Exhibited, seconds: float) -> None:
    """A line for a plant."""
    if kept is not None:
        failing = [sorted(axes) for axes in found.failing]
        line = {"name": name, "failing": failing, "asked": found.asked, "accused": found.accused, "seconds": seconds}
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def report(found: Mapping[str, Exhibited]) -> str:
    """The table: by axis, how many plants it finds alone, how many need it, and which."""
    needed: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    base = 0
    for name, one in found.items():
        base += frozenset() in one.failing
        for axis in one.needed:
            needed[axis] += 1
            examples.setdefault(axis, []).append(name)
        if frozenset() not in one.failing:
            for axis in {next(iter(axes)) for axes in one.failing if len(axes) == 1}:
                alone[axis] += 1
    missed = [name for name, one in found.items() if not one.failing]
    asked, accused = sum(one.asked for one in found.values()), [text for one in found.values() for text in one.accused]
    every = ["options", "sizes", "rank", *(axis for axis in AXES if axis != "usage"), *(f"usage: {value}" for value in AXES["usage"][1:])]
    lines = [
        f"{len(found)} wrong gradients, each in another operation: {len(found) - len(missed)} found{', not: ' if missed else ''}"
        f"{', '.join(missed)}; {base} of them in a typical test (the base)",
        f"{asked} draws of their right versions: {len(accused)} accused",
        "",
        f"{'axis':44} alone  needed  for example",
        *(f"{axis:44} {alone[axis]:5}  {needed[axis]:6}  {', '.join(examples.get(axis, [])[:3])}" for axis in every),
        "",
        "alone: found with this axis alone, and not by the base. needed: every case that found it had the axis on.",
    ]
    return "\n".join([*lines, *accused])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    found, taken = read(given.keep)
    begun = time.monotonic()
    wanted = [one for one in planted() if given.only in one.name]
    for one in wanted:
        if one.name in found or time.monotonic() - begun > 60 * given.minutes:
            continue
        started = time.process_time()
        found[one.name] = ask(one, draws=given.draws, seed=given.seed)
        taken[one.name] = time.process_time() - started
        write(given.keep, one.name, found[one.name], taken[one.name])
    whole = f"{len(found)} of {len(wanted)} plants asked, " if len(found) < len(wanted) else ""
    text = (
        f"{report(found)}\n\n{whole}seed {given.seed}, {given.draws} combinations, {sum(taken.values()):.0f} s of processor time; "
        f"{versions('numpy', 'torch')}"
    )
    if given.only or whole:
        print(text)
    else:
        publish("axes", text)


if __name__ == "__main__":
    main()
