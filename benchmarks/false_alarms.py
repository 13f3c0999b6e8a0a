"""No false alarm on right code: every correct reference implementation, over many seeds.

    python -m benchmarks.false_alarms [--seeds 20] [--thorough 1] [--share 1/4] [--minutes 15] [--state FILE] [PATH…]

A share is of the pairs of candidate and seed. With a state file every run is kept as it ends, and the same command goes on where it
stopped. Prints a line a candidate (runs, verdicts other than pass) and the totals; exits 1 where a
right candidate did not pass.
"""

import argparse
import sys
from collections import Counter

from benchmarks.output import Share, publish, versions
from verifier.candidates.discovery import find_candidates
from verifier.errors import HarnessError, RequestError
from verifier.verification.judging import judge

RIGHT = ["reference_impls/correct", "reference_impls/third_party/sklearn_one_output.py", "reference_impls/third_party/autograd_mlp.py"]


def main() -> int:
    """Run and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=RIGHT)
    parser.add_argument("--seeds", type=int, default=20, help="runs of the profile ci, seeds 1000, 1001, …")
    parser.add_argument("--thorough", type=int, default=1, help="runs of the profile thorough, seeds 5000, 5001, …")
    Share.add_options(parser)
    arguments = parser.parse_args()
    runs = [("ci", 1000 + index) for index in range(arguments.seeds)] + [("thorough", 5000 + index) for index in range(arguments.thorough)]
    paths = [candidate.path for candidate in find_candidates(arguments.paths)[0]]
    share = Share.of(arguments)
    verdicts: dict[str, Counter[str]] = {}
    alarms: list[str] = []
    networks = 0
    for (profile, seed), path in share.units([(run, path) for run in runs for path in paths]):
        (judged,) = judge([path], profile=profile, seed=seed)
        if isinstance(judged, RequestError | HarnessError):
            raise judged
        report = judged.report
        verdicts.setdefault(report.candidate.name, Counter())[report.verdict] += 1
        networks += max(outcome.problems for outcome in report.checks)
        if report.verdict != "pass":
            odd = [outcome for outcome in report.checks if outcome.status not in ("pass", "skipped")]
            failed = [f"{outcome.id} {outcome.status}: {outcome.message}" for outcome in odd]
            alarms.append(f"{report.candidate.name}, {profile}, seed {seed}: {report.verdict}: {' | '.join(failed)}")
            print(alarms[-1], flush=True)
    lines = [f"{name:36} {dict(counts)}" for name, counts in sorted(verdicts.items())]
    lines.append(f"{share.asked} runs of {len(verdicts)} right candidates, {networks} networks in all: {len(alarms)} not passed")
    lines.append(f"{share} Seeds from 1000 in ci, from 5000 in thorough. {versions('numpy', 'torch')}")
    if arguments.paths == RIGHT:
        publish(share.name("false_alarms"), "\n".join([*lines, *alarms]))
    else:
        print("\n".join(lines))
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
