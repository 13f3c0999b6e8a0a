"""Mistakes planted in the right engine of `reference_impls/engines`, from planted_engines.toml: which are found, and which are named.

python -m benchmarks.planted_engines [NAME …] [--profile ci]
"""

import argparse
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from verifier import check

ENGINE = Path(__file__).parents[1] / "reference_impls" / "engines" / "tensor_engine.py"


@dataclass(frozen=True)
class Plant:
    """One mistake.

    Attributes:
        mistake: what is wrong, in a sentence.
        faults: how the id of the first explanation may begin, for the mistake to count as named.
        changes: pairs of what stands in the right engine, once, and what replaces it.
        append: what follows the right engine's text.
    """

    name: str
    mistake: str
    faults: tuple[str, ...]
    changes: tuple[tuple[str, str], ...] = ()
    append: str = ""

    def text(self) -> str:
        """The wrong engine's file. Raises ValueError where the right engine has not what is to be replaced."""
        text = ENGINE.read_text(encoding="utf-8")
        for right, wrong in self.changes:
            if text.count(right) != 1:
                raise ValueError(f"{self.name}: {right!r} does not stand once in {ENGINE.name}")
            text = text.replace(right, wrong)
        return f"{text}\n\n{self.append}" if self.append else text


def plants() -> list[Plant]:
    """All of them, in the file's order."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return [
        Plant(**{**row, "faults": tuple(row["faults"]), "changes": tuple((a, b) for a, b in row.get("changes", ()))})
        for row in table["plant"]
    ]


def main() -> None:
    """Print a row for each plant: the verdict, the first explanation, whether it names the mistake."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--profile", default="ci")
    asked = parser.parse_args()
    chosen = [plant for plant in plants() if not asked.names or plant.name in asked.names]
    found = named = 0
    print(f"{'planted':<28}{'verdict':<14}{'named':<7}{'seconds':>7}  first explanation")
    with tempfile.TemporaryDirectory() as folder:
        for plant in chosen:
            file = Path(folder, f"{plant.name}.py")
            file.write_text(plant.text(), encoding="utf-8")
            began = time.perf_counter()
            report = check(file, profile=asked.profile)
            fault = report.diagnosis[0].fault if report.diagnosis else "none"
            right = report.verdict == "fail" and fault.startswith(plant.faults)
            found, named = found + (report.verdict == "fail"), named + right
            row = f"{plant.name:<28}{report.verdict:<14}{'yes' if right else 'no':<7}{time.perf_counter() - began:>7.1f}  {fault}"
            print(row, flush=True)
    print(f"\n{found} of {len(chosen)} found, {named} named; profile {asked.profile}, seed 0")


if __name__ == "__main__":
    main()
