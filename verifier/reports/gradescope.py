"""A report as `results.json` of an autograder (Gradescope's form, which otter reads too): a public summary, then hidden details.

It is written by the referee, outside of the candidate's process. `verifier check --output gradescope=FILE` writes one that says that
nothing was decided before the candidate is loaded, so that a grader that dies leaves a score of nothing and its reason.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import structs

from verifier.errors import RequestError
from verifier.reports.markdown import MARKS, code, escape, fence
from verifier.reports.untrusted import one_line
from verifier.reports.wording import is_of_a_cohort, marked_source, number, problem_word, reproduce_command, times_tolerance, verdict_means
from verifier.results.gathering import Gathering
from verifier.results.outcome import Outcome
from verifier.results.report import Part, Report, Score

UNFINISHED = "The grader ended before it had a verdict. This says nothing about the submission: please have it graded again."


def write(report: Report) -> str:
    """The results of one submission: its score by parts, as the report has them, and what a student is shown of the rest."""
    asked = [outcome for outcome in report.checks if outcome.status != "skipped"]
    score = report.score or Score(100.0 if report.verdict == "pass" else 0.0, 100.0)  # an older report has none
    results: dict[str, Any] = {
        "score": score.points,
        "execution_time": round(sum(report.timings.values()), 3),
        "output": _output(report),
        "output_format": "md",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": _extra(report, score),
        "tests": [_summary(report), *_parts(report, score), *_details(report, asked, len(score.parts))],
        "leaderboard": [{"name": "Verdict", "value": report.verdict}, {"name": "Score", "value": score.points}],
    }
    return _encoded(results)


def _output(report: Report) -> str:
    word = report.reason.replace("-", " ") or report.verdict
    lines = [escape(report.message)] if report.message else []
    lines.append(f"{MARKS[report.verdict]} **{word.upper()}**: {verdict_means(report)}.")
    if report.verdict == "inconclusive":
        lines.append("Nobody is at fault yet: a person has to look at this submission.")
    return "\n\n".join(lines)


def write_together(run: Gathering) -> str:
    """The results of the one submission of a run, or of a run that gave none.

    Raises:
        RequestError: there are several reports: an autograder grades one submission at a time.
    """
    if len(run.reports) > 1:
        raise RequestError(f"gradescope holds one submission, and there are {len(run.reports)} reports")
    if run.reports:
        return write(run.reports[0])
    return write_unfinished(run.unjudged or ("There is no candidate to judge.",))


def write_unfinished(reasons: Sequence[str] = (UNFINISHED,)) -> str:
    """The results where there is no report."""
    output = "\n\n".join(escape(reason) for reason in reasons)
    test = _test("Verdict", 0, False, output, ["unjudged"], {"score": 0.0, "max_score": 1.0})
    return _encoded(
        {
            "score": 0.0,
            "execution_time": 0.0,
            "output": output,
            "output_format": "md",
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "extra_data": {"verdict": None},
            "tests": [test],
            "leaderboard": [],
        }
    )


def _summary(report: Report) -> dict[str, Any]:
    """What a student sees beside the score: as much as the assignment's `hints` allow, without the hidden networks' details."""
    lines = []
    best = report.diagnosis[0] if report.diagnosis else None
    if report.hints == "verdict":
        lines.append(escape(verdict_means(report)) + "." if report.verdict != "error" else escape(report.summary))
    elif report.hints == "equation":
        wrong = f"Look at the equation {code(best.equation)}." if best and best.equation else f"{escape(verdict_means(report))}."
        lines.append(escape(report.summary) if report.verdict == "error" else wrong)
    else:
        lines.append(escape(report.summary))
        if best is not None:
            lines.append(f"**{escape(best.fault)}** (equation {code(best.equation)}): {escape(best.explanation)}")
        for own in report.own_lines:
            lines += [f"{escape(own.place)}:", fence(marked_source(own), "python"), escape(own.sentence)]
        lines += [f"{code(note.check)}: {escape(note.message)}" for note in report.notes]
    return _test("Verdict", 0, report.verdict == "pass", "\n\n".join(lines), [report.verdict])


def _parts(report: Report, score: Score) -> Iterator[dict[str, Any]]:
    """The score by its parts; where no more than the verdict is shown, in one, since the parts say where the mistake is."""
    parts = score.parts
    if report.hints == "verdict" and not report.reason:
        parts = (Part("score", score.points, score.of, "" if report.verdict == "pass" else "Points are lost."),)
    elif report.hints == "equation" and report.layers:
        parts = tuple(structs.replace(part, why="Wrong." if part.why else "") for part in parts)
    for position, part in enumerate(parts, 1):
        points = {"score": part.points, "max_score": part.of}
        yield _test(one_line(part.name), position, not part.why, escape(part.why or "Right."), [], points)


def _details(report: Report, asked: Sequence[Outcome], before: int) -> Iterator[dict[str, Any]]:
    for position, outcome in enumerate(asked, before + 1):
        figures = (
            f"error {number(outcome.error)}, tolerance {number(outcome.tolerance)} ({times_tolerance(outcome.error, outcome.tolerance)}), "
            f"{outcome.failed} of {outcome.problems} {problem_word(report)}s wrong"
        )
        output = f"{escape(outcome.message)}\n\n{escape(figures)}\n\n{code(reproduce_command(report))}"
        passed = outcome.status == "pass"
        yield _test(one_line(outcome.id), position, passed, output, [outcome.status], visibility="hidden")


def _test(
    name: str,
    number: int,
    passed: bool,
    output: str,
    tags: Sequence[str],
    points: Mapping[str, float] = MappingProxyType({}),
    visibility: str = "visible",
) -> dict[str, Any]:
    """One entry of the results."""
    return {
        "name": name,
        "number": str(number),
        **points,
        "status": "passed" if passed else "failed",
        "output": output,
        "output_format": "md",
        "tags": tags,
        "visibility": visibility,
    }


def _extra(report: Report, score: Score) -> dict[str, Any]:
    best = report.diagnosis[0] if report.diagnosis else None
    return {
        "verdict": report.verdict,
        "reason": report.reason,
        "max_score": score.of,
        "fault": one_line(best.fault) if best else None,
        "equation": one_line(best.equation) if best else None,
        "profile": one_line(report.profile),
        "seed": None if is_of_a_cohort(report) else report.seed,
        "schema_version": report.schema_version,
    }


def _encoded(results: dict[str, Any]) -> str:
    return json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
