"""How long a run takes, each figure beside its baseline in the same run, and how the time is spent.

    python -m benchmarks.speed [--repeats 3]

The baseline is a fresh interpreter that imports torch, Hypothesis and NumPy. Every run is a fresh process of the command on the vectorised
reference; `drawn` begins with an empty cache, `kept` finds the corpus there. Prints medians and ratios; the goals stand beside them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from verifier.candidates.limits import Limits
from verifier.candidates.session import Target
from verifier.candidates.zygote import Zygote

CANDIDATE = "reference_impls/correct/vectorised_rows.py"
IMPORTS = "import torch, hypothesis, numpy"
PEAK = """
import resource, sys
from verifier.cli import main
try:
    main()
finally:
    sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall time of a command, which must succeed."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def check(profile: str, reports: str) -> list[str]:
    """The command under test."""
    return [sys.executable, "-m", "verifier", "check", CANDIDATE, "--profile", profile, "--report-dir", reports]


def split(reports: str) -> dict[str, float]:
    """Seconds by phase, as the report of the last run tells them."""
    timings: dict[str, float] = json.loads((Path(reports) / "vectorised_rows" / "report.json").read_text())["timings"]
    return timings


def first_answer(repeats: int) -> list[float]:
    """Seconds from asking a warm zygote for a worker to the first thing that the worker says, with a candidate loaded."""
    file = Path(CANDIDATE).resolve()
    times = []
    with Zygote() as zygote:
        for _ in range(repeats + 3):
            started = time.perf_counter()
            with zygote.start(Target(file, None, (file,)), Limits()):
                times.append(time.perf_counter() - started)
    return times[3:]


def peak_memory(environment: dict[str, str], reports: str) -> float:
    """Largest resident memory of the referee in MB, while it draws the corpus of profile ci."""
    arguments = ["verifier", "check", CANDIDATE, "--profile", "ci", "--report-dir", reports]
    program = f"import sys; sys.argv = {arguments!r}\n{PEAK}"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return float(done.stderr.split()[-1]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"{'':34}{'median s':>10}{'ratio':>8}   goal")
    with tempfile.TemporaryDirectory() as reports, tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": os.getcwd()}
        baseline = statistics.median(seconds([sys.executable, "-c", IMPORTS], environment) for _ in range(repeats))
        print(f"{'imports: torch, Hypothesis, NumPy':34}{baseline:10.2f}{1.0:8.2f}")
        for profile, goal in (("ci", "3.6 x"), ("quick", "1.8 x")):
            drawn, kept = [], []
            for index in range(repeats):
                fresh = {**environment, "VERIFIER_CACHE": str(Path(cache) / f"{profile}{index}")}
                drawn.append(seconds(check(profile, reports), fresh))
                phases = split(reports)
                kept.append(seconds(check(profile, reports), fresh))
            for name, times, wanted in ((f"{profile}, drawn", drawn, goal), (f"{profile}, kept", kept, "1.5 s")):
                median = statistics.median(times)
                print(f"{name:34}{median:10.2f}{median / baseline:8.2f}   {wanted}")
            print(f"  of the last drawn run: {', '.join(f'{phase} {value:.3f}' for phase, value in phases.items() if value >= 0.001)}")
        answers = first_answer(30)
        print(f"{'a worker, asked to first answer':34}{statistics.median(answers):10.4f}{'':8}   0.010 s (slowest {max(answers):.4f})")
        memory = peak_memory({**environment, "VERIFIER_CACHE": str(Path(cache) / "memory")}, reports)
        print(f"referee's peak memory, ci, drawn: {memory:.0f} MB   goal 700 MB")


if __name__ == "__main__":
    main()
