"""A class of two hundred submissions in one folder, forty of them hostile: every one gets a row, and nobody takes another's verdict.

python -m benchmarks.hostile_class [--right 160] [--hostile 40]
"""

import argparse
import csv
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
RIGHT = ROOT / "reference_impls" / "correct" / "vectorised_rows.py"
HOSTILE = ROOT / "tests" / "hostile"
LIMITS = ("wall_seconds=1", "cpu_seconds=1.5", "load_seconds=5", "scratch_bytes=8 MiB", "output_bytes=2 MiB")


def make_class(folder: Path, right: int, hostile: int) -> dict[str, str]:
    """Fill the folder; which verdicts are right, as a pattern, by name."""
    chosen = [file for file in sorted(HOSTILE.glob("*.py")) if file.stem != "reads_the_verifier"]  # which knows where it lies
    chosen = [chosen[index * len(chosen) // hostile] for index in range(hostile)]
    wanted = {f"student{number:03}": "pass" for number in range(right)}
    for name in wanted:
        shutil.copy(RIGHT, folder / f"{name}.py")
    for file in chosen:
        shutil.copy(file, folder)
        found = re.search(r"^Expected: ([a-z|]+)", file.read_text(encoding="utf-8"), re.M)
        assert found is not None
        wanted[file.stem] = found[1]
    return wanted


def main(arguments: Sequence[str] | None = None) -> None:
    """Print how many rows there are, of which verdicts, and each that is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--right", type=int, default=160)
    parser.add_argument("--hostile", type=int, default=40)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        folder, table = Path(place, "class"), Path(place, "table.csv")
        folder.mkdir()
        wanted = make_class(folder, asked.right, asked.hostile)
        command = [sys.executable, "-P", "-m", "verifier", "check", str(folder), "--profile", "quick", "--report-dir", f"{place}/reports"]
        command += [word for limit in LIMITS for word in ("--limit", limit)]
        began = time.monotonic()
        done = subprocess.run([*command, "--output", f"csv={table}"], cwd=place, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    verdicts = {row["candidate"]: row["verdict"] for row in rows}
    print(f"{len(wanted)} candidates, {asked.hostile} of them hostile: {len(rows)} rows in {seconds:.0f} s, exit status {done.returncode}.")
    for kind in (True, False):
        counted = Counter(verdicts.get(name, "no row") for name in wanted if name.startswith("student") is kind)
        print(f"{'right' if kind else 'hostile':8}", ", ".join(f"{number} {verdict}" for verdict, number in sorted(counted.items())))
    for name, pattern in wanted.items():
        if not re.fullmatch(pattern, verdicts.get(name, "no row")):
            print(f"{name}: {verdicts.get(name, 'no row')}, should be {pattern}")


if __name__ == "__main__":
    main()
