"""The report of what could not be judged: a row like any other, with its reason."""

from typing import Any

from verifier.results.outcome import Outcome, Verdict
from verifier.results.report import CandidateRecord
from verifier.verification.record import Judged, Request, report_of

CONTRACT = "contract"  # the check that a candidate's own words stand in


def unjudged(
    name: str, path: str, contract: str, claims: dict[str, Any], why: str, request: Request, *, verdict: Verdict = "error"
) -> Judged:
    """A report with the reason "not-judged". `why` is a sentence without the path, and without its full stop."""
    summary = f"Not judged: {why.rstrip('.')}."
    outcome = Outcome(CONTRACT, "inconclusive" if verdict == "inconclusive" else "error", summary)
    return Judged(
        report_of(
            CandidateRecord(name, path, contract, claims),
            request,
            None,
            [outcome],
            verdict=verdict,
            summary=summary,
            seconds={},
            reason="not-judged",
        ),
        None,
    )
