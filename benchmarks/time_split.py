"""Where the time of a run goes: what the candidate, PyTorch and Hypothesis take, and what is left for the harness itself.

    python -m benchmarks.time_split [--repeats 5]

Each run is a fresh process with an empty cache, on the vectorised reference, profile ci; the figures are medians. The parts are timed
around the functions that they stand for, each without the parts inside it. "Waiting for the candidate's process" is the time that the
referee spends in its wait, the candidate and the worker around it both.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

CANDIDATE = "reference_impls/correct/vectorised_rows.py"
IMPORTS = "imports of PyTorch, Hypothesis, NumPy"
START = "Python's own start and end"
PARTS = {
    "verifier.oracles.autograd:evaluate": "PyTorch's gradients",
    "verifier.contracts.mlp.strategy:draw_architectures": "Hypothesis's draws",
    "verifier.candidates.session:Session._wait": "waiting for the candidate's process",
    "verifier.candidates.zygote:Zygote.__init__": "starting the process that starts workers",
    "verifier.candidates.zygote:Zygote.start": "starting the candidate's process",
    "verifier.oracles.scatter:measure_scatter": "scatter",
}
OTHERS = (START, IMPORTS, "PyTorch's gradients", "Hypothesis's draws", "waiting for the candidate's process")


class Stopwatch:
    """Seconds by part; a part's time does not count for the one around it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = time.perf_counter()

    def enter(self, part: str) -> None:
        """From now on time counts for this part."""
        self._lap()
        self._running.append(part)

    def leave(self) -> None:
        """From now on time counts for the part around it."""
        self._lap()
        self._running.pop()

    def _lap(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] = self.seconds.get(self._running[-1], 0.0) + now - self._since
        self._since = now

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted for this part."""

        @wraps(function)
        def timing(*arguments: Any, **keywords: Any) -> Any:
            self.enter(part)
            try:
                return function(*arguments, **keywords)
            finally:
                self.leave()

        return timing


def child(arguments: list[str]) -> None:
    """In a process of its own: run the command with every part timed, and print the parts on stderr."""
    watch = Stopwatch()
    watch.enter(IMPORTS)
    for library in ("torch", "hypothesis", "numpy"):
        import_module(library)
    watch.leave()
    watch.enter("imports of the harness and its other libraries")
    from verifier.cli import main

    for place, part in PARTS.items():
        module, _, name = place.partition(":")
        owner: Any = import_module(module)
        *around, last = name.split(".")
        for outer in around:
            owner = getattr(owner, outer)
        setattr(owner, last, watch.timed(part, getattr(owner, last)))
    watch.leave()
    watch.enter("the rest: asking, comparing, judging, the report")
    main(arguments)
    watch.leave()
    for part, seconds in watch.seconds.items():
        sys.stderr.write(f"{part}\t{seconds}\n")
    sys.stderr.flush()
    os._exit(0)  # as the command ends


def run_once() -> dict[str, float]:
    """Seconds by part of one run."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": os.getcwd(), "VERIFIER_CACHE": os.path.join(folder, "cache")}
        command = [sys.executable, "-m", "benchmarks.time_split", "--child"]
        command += ["check", CANDIDATE, "--profile", "ci", "--report-dir", folder]
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        total = time.perf_counter() - began
    parts = {part: float(seconds) for part, _, seconds in (line.partition("\t") for line in done.stderr.splitlines())}
    return {START: total - sum(parts.values()), **parts}


def main() -> None:
    """Measure and print."""
    if "--child" in sys.argv:
        child(sys.argv[sys.argv.index("--child") + 1 :])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    runs = [run_once() for _ in range(parser.parse_args().repeats)]
    parts = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
    total = sum(parts.values())
    for kind, wanted in (("the candidate, PyTorch, Hypothesis and Python", True), ("the harness", False)):
        chosen = {part: seconds for part, seconds in parts.items() if (part in OTHERS) == wanted}
        print(f"{kind:52}{sum(chosen.values()):8.3f} s{sum(chosen.values()) / total:8.1%}")
        for part, seconds in sorted(chosen.items(), key=lambda pair: -pair[1]):
            print(f"    {part:48}{seconds:8.3f} s{seconds / total:8.1%}")
    print(f"{'in all':52}{total:8.3f} s")


if __name__ == "__main__":
    main()
