"""Engines on thousands of random graphs: how many are accused.

python -m benchmarks.right_engines ENGINE.py … [--profile thorough] [--seed 0] [--seconds 10]
"""

import argparse
import time
from pathlib import Path

from verifier import check

HEAD = f"{'engine':<20}{'seed':>5}{'verdict':>9}{'operations':>12}{'questions':>11}{'graphs':>8}{'accused':>9}{'seconds':>9}"


def main() -> None:
    """Print a row for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="+", type=Path)
    parser.add_argument("--profile", default="thorough")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10, help="for one answer: JAX and tinygrad compile")
    asked = parser.parse_args()
    print(HEAD)
    for engine in asked.engines:
        began = time.perf_counter()
        limits = {"wall_seconds": asked.seconds, "cpu_seconds": max(60.0, asked.seconds)}
        report = check(engine, profile=asked.profile, seed=asked.seed, limits=limits)
        counts = {outcome.id: (outcome.problems or 0, outcome.failed or 0) for outcome in report.checks}
        questions, graphs = counts.get("operations", (0, 0)), counts.get("graphs", (0, 0))
        row = f"{engine.stem:<20}{asked.seed:>5}{report.verdict:>9}{len(report.operations or ()):>12}{questions[0]:>11}{graphs[0]:>8}"
        print(f"{row}{questions[1] + graphs[1]:>9}{time.perf_counter() - began:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
