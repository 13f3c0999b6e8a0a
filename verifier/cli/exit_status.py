"""The exit statuses, as functions of reports alone."""

from collections.abc import Collection, Iterable

from verifier.results.report import Report

PASSED, CANDIDATE_WRONG, WRONG_REQUEST, UNDECIDED = 0, 1, 2, 3
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
TERMINATED = 143  # 128 + SIGTERM
BROKEN_PIPE = 141  # 128 + SIGPIPE
FAIL_ON = ("inconclusive", "note")


def status_of(report: Report, fail_on: Collection[str] = ()) -> int:
    """The exit status of one report; `fail_on` says what else counts as a wrong candidate: "inconclusive", "note"."""
    if report.verdict in ("fail", "error"):
        return CANDIDATE_WRONG
    if report.notes and "note" in fail_on:
        return CANDIDATE_WRONG
    if report.verdict == "inconclusive":
        return CANDIDATE_WRONG if "inconclusive" in fail_on else UNDECIDED
    return PASSED


def overall(statuses: Iterable[int], *, broken: bool = False) -> int:
    """The status of a run over several candidates: 3 where the harness broke on one, else the first that applies of 2, 1, 3, 0.

    What the harness did not judge must never be hidden behind what it did.
    """
    met = set(statuses)
    return UNDECIDED if broken else next((status for status in (WRONG_REQUEST, CANDIDATE_WRONG, UNDECIDED) if status in met), PASSED)
