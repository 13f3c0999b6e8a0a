"""The report of what could not be judged: a row like any other, with its reason."""

from typing import Any

from verifier.results.outcome import Outcome, Verdict
from verifier.results.report import SCHEMA_VERSION, CandidateRecord, Isolation, Report
from verifier.verification.record import Judged, Request, environment

CONTRACT = "contract"  # the check that a candidate's own words stand in


def unjudged(
    name: str, path: str, contract: str, claims: dict[str, Any], why: str, request: Request, *, verdict: Verdict = "error"
) -> Judged:
    """A report with the reason "not-judged". `why` is a sentence without the path, and without its full stop."""
    summary = f"Not judged: {why.rstrip('.')}."
    return Judged(
        Report(
            schema_version=SCHEMA_VERSION,
            verdict=verdict,
            summary=summary,
            candidate=CandidateRecord(name, path, contract, claims),
            profile=request.profile.name,
            seed=request.seed,
            checks=(Outcome(CONTRACT, "inconclusive" if verdict == "inconclusive" else "error", summary),),
            measurements=(),
            notes=(),
            diagnosis=(),
            counterexample=None,
            isolation=Isolation(False, False, False, known=False),
            environment=environment(),
            printed="",
            timings={},
            only=request.only,
            reason="not-judged",
        ),
        None,
    )
