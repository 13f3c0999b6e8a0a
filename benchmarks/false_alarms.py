"""No false alarm on right code: every correct reference implementation, over many seeds.

    python -m benchmarks.false_alarms [--seeds 20] [--thorough 1] [--minutes 15] [--state reports/false_alarms.jsonl] [PATH…]

A run is one candidate under one seed. Each is a line that is appended to the state file: what is stopped goes on where it was. Prints a
line a candidate (runs, verdicts) and the totals; exits 1 where a right candidate did not pass.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from benchmarks.output import publish, versions
from benchmarks.resuming import Record, measure, records
from verifier.candidates.discovery import find_candidates
from verifier.errors import HarnessError, RequestError
from verifier.verification.judging import judge

RIGHT = ["reference_impls/correct", "reference_impls/third_party/sklearn_one_output.py", "reference_impls/third_party/autograd_mlp.py"]


def judge_one(path: str, profile: str, seed: int) -> Record:
    """One run: the candidate, its verdict, how many networks it was asked, and what did not pass."""
    (judged,) = judge([path], profile=profile, seed=seed)
    if isinstance(judged, RequestError | HarnessError):
        raise judged
    report = judged.report
    odd = [f"{outcome.id} {outcome.status}: {outcome.message}" for outcome in report.checks if outcome.status not in ("pass", "skipped")]
    return {
        "name": report.candidate.name,
        "verdict": report.verdict,
        "networks": max(outcome.problems for outcome in report.checks),
        "alarm": "" if report.verdict == "pass" else f"{profile}, seed {seed}: {report.verdict}: {' | '.join(odd)}",
    }


def main() -> int:
    """Run and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=RIGHT)
    parser.add_argument("--seeds", type=int, default=20, help="runs of the profile ci, seeds 1000, 1001, …")
    parser.add_argument("--thorough", type=int, default=1, help="runs of the profile thorough, seeds 5000, 5001, …")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so many minutes")
    parser.add_argument("--state", type=Path, default=Path("reports/false_alarms.jsonl"))
    arguments = parser.parse_args()
    seeds = [("ci", 1000 + index) for index in range(arguments.seeds)] + [("thorough", 5000 + index) for index in range(arguments.thorough)]
    candidates = [str(candidate.path) for candidate in find_candidates(arguments.paths)[0]]
    runs = [(path, profile, seed) for profile, seed in seeds for path in candidates]
    measure(arguments.state, 0, len(runs), arguments.minutes, lambda block: judge_one(*runs[block]))
    found = list(records(arguments.state, 0))
    verdicts: dict[str, Counter[str]] = {}
    for run in found:
        verdicts.setdefault(run["name"], Counter())[run["verdict"]] += 1
    alarms = [f"{run['name']}, {run['alarm']}" for run in found if run["alarm"]]
    networks = sum(run["networks"] for run in found)
    lines = [f"{name:36} {dict(counts)}" for name, counts in sorted(verdicts.items())]
    lines.append(f"{len(found)} runs of {len(runs)}, {len(verdicts)} right candidates, {networks} networks: {len(alarms)} not passed")
    lines.append(f"Seeds from 1000 in ci, from 5000 in thorough. {versions('numpy', 'torch')}")
    if arguments.paths == RIGHT:
        publish("false_alarms" if len(found) == len(runs) else "false_alarms_share", "\n".join([*lines, *alarms]))
    else:
        print("\n".join([*lines, *alarms]))
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
