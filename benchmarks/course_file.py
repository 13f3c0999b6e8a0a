"""What it takes to judge a whole course file of layers: with an empty cache, and with PyTorch's answers kept.

    python -m benchmarks.course_file [--repeats 3] [--beside CHECKOUT]

The file is CS231n's layers.py as our own reference implements it (reference_impls/layers/correct/course_functions.py), in two sizes: 15
functions in 9 layers (affine, ReLU, both losses, batch norm with both backward passes, dropout, the naive convolution and max pooling), as
the course began, and 21 in 12, with layer norm, spatial batch norm and group norm.

Each run is the command in a fresh process, with the bytecode of an installed package. Printed are medians of its
seconds, and of the processor seconds of all its processes, since other work on the machine stretches the first. `--beside`: the same with
the code of another checkout, by turns.
"""

import argparse
import ast
import compileall
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.output import publish, versions
from verifier.candidates.watching import read_use_below

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "reference_impls" / "layers" / "correct" / "course_functions.py"
LAST = "spatial_groupnorm_backward"  # of layers.py; what follows are the course's rnn_layers.py, classifiers and optim.py
LATER = ("layernorm", "spatial", "groupnorm")  # what the course got later
GOALS = {"empty": 10.0, "kept": 3.0}  # seconds
GOAL_FUNCTIONS = 15
LOOK_SECONDS = 0.02


def course_files() -> dict[int, str]:
    """The text of the file in both sizes, by its number of functions."""
    text = SOURCE.read_text(encoding="utf-8")
    parts: Sequence[ast.stmt] = ast.parse(text).body
    (end,) = [at for at, one in enumerate(parts) if isinstance(one, ast.FunctionDef) and one.name == LAST]
    first = [one for one in parts[: end + 1] if not (isinstance(one, ast.FunctionDef) and any(word in one.name for word in LATER))]
    files = {}
    for chosen in (first, parts[: end + 1]):
        written = "\n\n\n".join(ast.get_source_segment(text, one) or "" for one in chosen)
        files[sum(isinstance(one, ast.FunctionDef) for one in chosen)] = written + "\n"
    return files


def run(checkout: Path, file: Path, profile: str, cache: Path) -> tuple[float, float]:
    """Seconds, and processor seconds, of one run of the command, which must pass."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "VERIFIER_CACHE": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
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
    """A line for each size of the file, profile, code and cache."""
    for checkout in checkouts.values():
        compileall.compile_dir(checkout / "verifier", quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        for (functions, text), profile in itertools.product(course_files().items(), ("quick", "ci")):
            file = Path(folder) / str(functions) / "layers.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
            measured: dict[tuple[str, str], list[tuple[float, float]]] = {}
            for repeat in range(repeats):
                for name, checkout in checkouts.items():
                    cache = Path(folder) / f"{functions} {profile} {name} {repeat}"
                    for state in GOALS:
                        measured.setdefault((name, state), []).append(run(checkout, file, profile, cache))
            for (name, state), runs in measured.items():
                wall, used = (statistics.median(column) for column in zip(*runs, strict=True))
                goal = f"{GOALS[state]:.0f} s" if functions == GOAL_FUNCTIONS else ""
                yield f"{functions:9}  {profile:8}{name:12}{state:8}{wall:8.1f} s{used:14.1f} s{goal:>12}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--beside", type=Path)
    given = parser.parse_args()
    checkouts = {"this code": ROOT} | ({"the other": given.beside.resolve()} if given.beside else {})
    lines = [
        f"functions  {'profile':8}{'code':12}{'cache':8}{'seconds':>10}{'of processors':>16}{'goal':>12}",
        *rows(checkouts, given.repeats),
    ]
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    lines += [f"{given.repeats} runs each, on {len(os.sched_getaffinity(0))} processors; load at the end {load}."]
    publish("course_file", "\n".join([*lines, versions("numpy", "torch")]))


if __name__ == "__main__":
    main()
