"""What several candidates' reports are written from: the reports of one run, and why some candidates have none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from verifier.results.report import Report


@dataclass(frozen=True)
class Gathering:
    """The reports of a run in order, and what is not in them.

    Attributes:
        unjudged: a sentence for each candidate, or for the run itself, that ended without a report.
        known: of the candidates that fail as a baseline knows, by name, the sentence that says so.
        unexpected: of those that do not fail as it knows, or pass.
        pages: where the page of each candidate is, by name, as seen from the file that is written.
    """

    reports: Sequence[Report]
    unjudged: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    unexpected: Mapping[str, str] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
