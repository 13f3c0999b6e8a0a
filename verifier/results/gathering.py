"""What several candidates' reports are written from: the reports of one run, and why some candidates have none."""

from dataclasses import dataclass

from verifier.results.report import Report


@dataclass(frozen=True)
class Gathering:
    """The reports of a run in order; `unjudged` has a sentence for each candidate, or for the run itself, that ended without one."""

    reports: tuple[Report, ...]
    unjudged: tuple[str, ...] = ()
