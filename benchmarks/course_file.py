"""What it takes to judge a whole course file of layers: with an empty cache, and with PyTorch's answers kept.

    python -m benchmarks.course_file [--repeats 3] [--beside CHECKOUT]

The file is CS231n's layers.py as our own reference implements it: the functions of reference_impls/layers/correct/course_functions.py up to
group normalisation, 21 of them in 12 layers: affine, ReLU, both losses, batch norm with both backward passes, layer norm, dropout, the
naive convolution and max pooling, spatial batch norm and group norm.

Each run is the command in a fresh process. Printed are medians of its
seconds, and of the processor seconds of all its processes, since other work on the machine stretches the first. `--beside`: the same with
the code of another checkout, by turns.
"""

import argparse
import ast
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.output import publish, versions
from verifier.candidates.watching import read_use_below

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "reference_impls" / "layers" / "correct" / "course_functions.py"
LAST = "spatial_groupnorm_backward"  # of layers.py; what follows are the course's rnn_layers.py, classifiers and optim.py
GOALS = {"empty": 10.0, "kept": 3.0}  # seconds
LOOK_SECONDS = 0.02


def course_file() -> str:
    """The text of the file."""
    text = SOURCE.read_text(encoding="utf-8")
    (last,) = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef) and one.name == LAST]
    return "\n".join(text.splitlines()[: last.end_lineno]) + "\n"


def run(checkout: Path, file: Path, profile: str, cache: Path) -> tuple[float, float]:
    """Seconds, and processor seconds, of one run of the command, which must pass."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "VERIFIER_CACHE": str(cache)}
    command = [sys.executable, "-m", "verifier", "check", str(file), "--profile", profile, "--report-dir", str(cache / "reports")]
    began, used = time.perf_counter(), 0.0
    process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        used = max(used, read_use_below(process.pid) or 0.0)
        time.sleep(LOOK_SECONDS)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - began, used


def rows(checkouts: dict[str, Path], repeats: int) -> Iterator[str]:
    """A line for each profile, code and cache."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "layers.py"
        file.write_text(course_file(), encoding="utf-8")
        for profile in ("quick", "ci"):
            measured: dict[tuple[str, str], list[tuple[float, float]]] = {}
            for repeat in range(repeats):
                for name, checkout in checkouts.items():
                    cache = Path(folder) / f"{profile} {name} {repeat}"
                    for state in GOALS:
                        measured.setdefault((name, state), []).append(run(checkout, file, profile, cache))
            for (name, state), runs in measured.items():
                wall, used = (statistics.median(column) for column in zip(*runs, strict=True))
                goal = f"{GOALS[state]:.0f} s"
                yield f"{profile:8}{name:12}{state:8}{wall:8.1f} s{used:14.1f} s{goal:>12}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--beside", type=Path)
    given = parser.parse_args()
    checkouts = {"this code": ROOT} | ({"the other": given.beside.resolve()} if given.beside else {})
    lines = [f"{'profile':8}{'code':12}{'cache':8}{'seconds':>10}{'of processors':>16}{'goal':>12}", *rows(checkouts, given.repeats)]
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    lines += [f"{given.repeats} runs each, on {len(os.sched_getaffinity(0))} processors; load at the end {load}."]
    publish("course_file", "\n".join([*lines, versions("numpy", "torch")]))


if __name__ == "__main__":
    main()
