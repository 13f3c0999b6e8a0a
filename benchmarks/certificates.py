"""What each pass of the reference implementations excludes, and what its certificate costs of the run.

    python -m benchmarks.certificates [--profile quick]

For random manifests, in any number, each line of a certificate is held against a candidate that makes the mistake:

    VERIFIER_CERTIFICATES=200 pytest -n 0 tests/verification/test_certificate.py
"""

import argparse
from pathlib import Path
from statistics import median

from verifier.results.report import Report
from verifier.verification.judging import judge

CORRECT = Path(__file__).parents[1] / "reference_impls" / "correct"
GOAL = 0.10  # of a run


def share(report: Report) -> float:
    """The certificate's part of a run's seconds."""
    return report.timings["certificate"] / sum(report.timings.values())


def main(arguments: list[str] | None = None) -> None:
    """Print a line a candidate, and the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="ci")
    profile = parser.parse_args(arguments).profile
    shares = []
    for judged in judge([str(CORRECT)], profile=profile, jobs=1):
        report = getattr(judged, "report", None)
        if report is None or report.certificate is None:
            continue
        shares.append(share(report))
        missing = "; ".join(report.certificate.not_excluded) or "nothing"
        print(
            f"{report.candidate.name:28} {shares[-1]:6.1%}  excludes {len(report.certificate.excludes)}; not excluded: {missing}",
            flush=True,
        )
    print(f"{len(shares)} passes, profile {profile}: {median(shares):.1%} of a run (median), at most {max(shares):.1%}; goal {GOAL:.0%}.")


if __name__ == "__main__":
    main()
