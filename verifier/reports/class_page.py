"""A run over several candidates as one web page: who passes, which mistakes were made by whom, and each row leads to its own page.

It needs nothing else and runs no script: filters and orders are buttons that the style sheet reads. What a candidate wrote is escaped as
in the page of one report, and links lead to report folders alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from verifier.reports import html
from verifier.reports.untrusted import one_line
from verifier.reports.wording import claim_text, first_sentence
from verifier.results.cohort import OUTCOMES, cohort_of
from verifier.results.gathering import Gathering
from verifier.results.submission import Submission, submission_of

LONGEST_FOUND = 260  # characters of what was found: the row's own page has the rest
NAMES_SHOWN = 40  # behind a mistake; the rows below have all


@dataclass(frozen=True)
class Row:
    """One row of the page: the submission, the link to its page ("" where there is none), and its place in each order.

    `claims`: what it claims beside the defaults, as far as not all claim it.
    """

    submission: Submission
    href: str
    found: str
    claims: str
    by_score: int
    by_time: int
    by_mistake: int
    by_name: int


def write_together(run: Gathering) -> str:
    """The page over a run; that of a single candidate is its report."""
    if len(run.reports) == 1 and not (run.unjudged or run.pages):
        return html.write(run.reports[0])
    submissions: list[Submission] = []
    runs: dict[str, None] = {}
    for report in run.reports:
        submissions.append(submission_of(report))
        runs[f"profile {one_line(report.profile)}, seed {report.seed}"] = None
    cohort = cohort_of(submissions)
    return html.template("class.html").render(
        cohort=cohort,
        rows=_rows(submissions, run.pages),
        outcomes=[outcome for outcome in OUTCOMES if outcome in cohort.counts],
        unjudged=run.unjudged,
        known=run.known,
        unexpected=run.unexpected,
        runs="; ".join(runs),
        links={name: safe_link(page) for name, page in run.pages.items()},
        names_shown=NAMES_SHOWN,
        number_of=len(submissions) + len(run.unjudged),
        widest=max((len(group.rows) for group in cohort.mistakes), default=1),
    )


def safe_link(path: str) -> str:
    """A relative path as a link that can name no scheme, script or other site."""
    return "./" + quote(path.replace("\\", "/"), safe="/.-_", errors="replace")


def _rows(submissions: Sequence[Submission], pages: Mapping[str, str]) -> list[Row]:
    by_score = _places([(row.score is not None, row.score or 0.0) for row in submissions])
    by_time = _places([-row.seconds for row in submissions])
    by_mistake = _places([(not row.mistake, row.mistake, row.name.casefold()) for row in submissions])
    by_name = _places([row.name.casefold() for row in submissions])
    shared = _shared_claims(submissions)
    return [
        Row(
            row,
            safe_link(pages[row.name]) if row.name in pages else "",
            one_line(first_sentence(row.found), LONGEST_FOUND),
            "; ".join(f"{key} = {claim_text(value)}" for key, value in row.beside_defaults.items() if key not in shared),
            *(by_score[position], by_time[position], by_mistake[position], by_name[position]),
        )
        for position, row in enumerate(submissions)
    ]


def _shared_claims(submissions: Sequence[Submission]) -> set[str]:
    """The claims that all who were judged have alike, as an assignment fixes them: no row has to say them."""
    judged = [row.beside_defaults for row in submissions if row.reason != "not-judged"]
    return {key for key in (judged[0] if judged else ()) if all(key in row and row[key] == judged[0][key] for row in judged)}


def _places(values: Sequence[Any]) -> list[int]:
    """The place of each value in their order."""
    order = sorted(range(len(values)), key=lambda position: values[position])
    places = [0] * len(values)
    for place, position in enumerate(order):
        places[position] = place
    return places
