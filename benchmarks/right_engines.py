"""Engines on thousands of random graphs: how many are accused.

python -m benchmarks.right_engines ENGINE.py … [--profile ci] [--seeds 0 1 2] [--seconds 10] [--memory "2 GiB"]
"""

import argparse
import time
from pathlib import Path

from verifier import check

HEAD = f"{'engine':<18}{'seed':>5}{'verdict':>9}{'operations':>11}{'questions':>10}{'wrong':>6}{'graphs':>8}{'wrong':>6}{'seconds':>9}"


def main() -> None:
    """Print a row for each engine and seed: the questions about operations alone, the graphs, and how many of each are found wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="+", type=Path)
    parser.add_argument("--profile", default="ci")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--seconds", type=float, default=10, help="for one answer: JAX and tinygrad compile")
    parser.add_argument("--memory", default="2 GiB", help="of a worker: JAX keeps what it compiled")
    asked = parser.parse_args()
    print(HEAD)
    limits = {"wall_seconds": asked.seconds, "cpu_seconds": max(60.0, 2 * asked.seconds), "memory": asked.memory}
    total = accused = 0
    for engine in asked.engines:
        for seed in asked.seeds:
            began = time.perf_counter()
            report = check(engine, profile=asked.profile, seed=seed, limits=limits)
            counts = {outcome.id: (outcome.problems or 0, outcome.failed or 0) for outcome in report.checks}
            (questions, wrong), (graphs, wrong_graphs) = (counts.get(one, (0, 0)) for one in ("operations", "graphs"))
            known = f"{engine.stem:<18}{seed:>5}{report.verdict:>9}{len(report.operations or ()):>11}"
            row = f"{known}{questions:>10}{wrong:>6}{graphs:>8}{wrong_graphs:>6}"
            print(f"{row}{time.perf_counter() - began:>9.0f}", flush=True)
            total, accused = total + graphs, accused + wrong_graphs
    print(f"\n{total} graphs, {accused} found wrong; profile {asked.profile}")


if __name__ == "__main__":
    main()
