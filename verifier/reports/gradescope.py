"""A report as `results.json` of an autograder (Gradescope's form, which otter reads too): a public summary, then hidden details.

It is written by the referee, outside of the candidate's process. `verifier check --output gradescope=FILE` writes one that says that
nothing was decided before the candidate is loaded, so that a grader that dies leaves a score of nothing and its reason.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from verifier.errors import RequestError
from verifier.reports.markdown import MARKS, code, escape
from verifier.reports.untrusted import one_line
from verifier.reports.wording import VERDICT_MEANS, number, reproduce_command, times_tolerance
from verifier.results.gathering import Gathering
from verifier.results.outcome import Outcome
from verifier.results.report import Report

UNFINISHED = "The grader ended before it had a verdict. This says nothing about the submission: please have it graded again."


def write(report: Report) -> str:
    """The results of one submission: a point for each check that was asked, as `_points` gives them."""
    asked = [outcome for outcome in report.checks if outcome.status != "skipped"]
    tests = [_summary(report), *_details(report, asked)]
    results: dict[str, Any] = {
        "score": float(sum(_points(report, outcome) for outcome in asked)),
        "execution_time": round(sum(report.timings.values()), 3),
        "output": f"{MARKS[report.verdict]} **{report.verdict.upper()}**: {VERDICT_MEANS[report.verdict]}.",
        "output_format": "md",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": _extra(report, len(asked)),
        "tests": tests,
        "leaderboard": _leaderboard(report, asked),
    }
    return _encoded(results)


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
    test = {
        "name": "Verdict",
        "number": "0",
        "score": 0.0,
        "max_score": 1.0,
        "status": "failed",
        "output": output,
        "output_format": "md",
        "tags": ["unjudged"],
        "visibility": "visible",
    }
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


def _points(report: Report, outcome: Outcome) -> int:
    """One where it passed, none at all where the candidate could not be judged.

    What a check could not decide costs nothing where the verdict is a pass: the other witness has decided, and the gradients are right.
    """
    return int(report.verdict == "pass" or (outcome.status == "pass" and report.verdict != "error"))


def _summary(report: Report) -> dict[str, Any]:
    """What a student sees: the verdict, what is wrong and where to look, without the hidden networks' details."""
    lines = [escape(report.summary)]
    if report.diagnosis:
        best = report.diagnosis[0]
        lines.append(f"**{escape(best.fault)}** (equation {code(best.equation)}): {escape(best.explanation)}")
    lines += [f"{code(note.check)}: {escape(note.message)}" for note in report.notes]
    return {
        "name": "Verdict",
        "number": "0",
        "status": "passed" if report.verdict == "pass" else "failed",
        "output": "\n\n".join(lines),
        "output_format": "md",
        "tags": [report.verdict],
        "visibility": "visible",
    }


def _details(report: Report, asked: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    for position, outcome in enumerate(asked, 1):
        figures = (
            f"error {number(outcome.error)}, tolerance {number(outcome.tolerance)} ({times_tolerance(outcome.error, outcome.tolerance)}), "
            f"{outcome.failed} of {outcome.problems} networks wrong"
        )
        yield {
            "name": one_line(outcome.id),
            "number": str(position),
            "score": float(_points(report, outcome)),
            "max_score": 1.0,
            "status": "passed" if outcome.status == "pass" or _points(report, outcome) else "failed",
            "output": f"{escape(outcome.message)}\n\n{escape(figures)}\n\n{code(reproduce_command(report))}",
            "output_format": "md",
            "tags": [outcome.status],
            "visibility": "hidden",
        }


def _extra(report: Report, asked: int) -> dict[str, Any]:
    best = report.diagnosis[0] if report.diagnosis else None
    return {
        "verdict": report.verdict,
        "max_score": asked,
        "fault": one_line(best.fault) if best else None,
        "equation": one_line(best.equation) if best else None,
        "profile": one_line(report.profile),
        "seed": report.seed,
        "schema_version": report.schema_version,
    }


def _leaderboard(report: Report, asked: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [
        {"name": "Verdict", "value": report.verdict},
        {"name": "Checks passed", "value": sum(_points(report, outcome) for outcome in asked)},
    ]


def _encoded(results: dict[str, Any]) -> str:
    return json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
