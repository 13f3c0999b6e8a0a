"""A run over several candidates in Markdown, for a step summary: one table, then what did not pass, gravest first, as far as it fits."""

import re
from collections.abc import Sequence

from verifier.counting import counted
from verifier.reports.markdown import MARKS, MOST_BYTES, blocks, code, escape, fitting, table, write
from verifier.reports.untrusted import one_line
from verifier.reports.wording import NOTHING, deciding_check, first_sentence
from verifier.results.gathering import Gathering
from verifier.results.outcome import GRAVEST_FIRST
from verifier.results.report import Report

ROWS_SHOWN = 1_000
LONGEST_REASON = 300  # characters of a row: a thousand rows must leave room for reports


def write_together(run: Gathering) -> str:
    """The summary of a run; that of one candidate is its report."""
    if len(run.reports) == 1 and not (run.unjudged or run.known or run.unexpected):
        return write(run.reports[0])
    ordered = sorted(run.reports, key=lambda report: GRAVEST_FIRST.index(report.verdict))
    head = [_headline(run), *_unjudged(run.unjudged), *_baseline(run)]
    if ordered:
        head.append(table(("candidate", "verdict", "failing check", "mistake", "what was found"), map(_row, ordered[:ROWS_SHOWN]), "lllll"))
    if len(ordered) > ROWS_SHOWN:
        head.append(f"And {counted(len(ordered) - ROWS_SHOWN, 'more candidate')}.")
    length = sum(len(block.encode()) + 2 for block in head)
    details, left_out = _details([report for report in ordered if report.verdict != "pass"], MOST_BYTES - length)
    if left_out:
        details.append(f"The reports of {left_out} more that did not pass are left out, for length; they are in their folders.")
    return "\n\n".join(fitting([*head, *details], MOST_BYTES + 1_000)) + "\n"


def _headline(run: Gathering) -> str:
    verdicts = [report.verdict for report in run.reports]
    parts = [f"{verdicts.count(verdict)} {verdict}" for verdict in ("pass", *GRAVEST_FIRST[:3]) if verdict in verdicts]
    if run.unjudged:
        parts.append(f"{len(run.unjudged)} not judged")
    worst = min(verdicts, key=GRAVEST_FIRST.index, default="error")
    if all(report.verdict == "pass" or report.candidate.name in run.known for report in run.reports):
        worst = "fail" if run.unexpected else "error" if run.unjudged else "pass"
    if run.known:
        parts.append(f"{len(run.known)} known")
    number = len(run.reports) + len(run.unjudged)
    return f"# {MARKS[worst]} {counted(number, 'candidate')}: {', '.join(parts)}"


def _unjudged(messages: Sequence[str]) -> list[str]:
    return ["\n".join(f"- Not judged: {escape(message)}" for message in messages[:ROWS_SHOWN])] if messages else []


def _baseline(run: Gathering) -> list[str]:
    lines = [f"- ❌ {escape(message)}" for message in run.unexpected.values()]
    lines += [f"- {escape(message)}" for message in run.known.values()]
    return ["\n".join(lines[:ROWS_SHOWN])] if lines else []


def _row(report: Report) -> Sequence[str]:
    return (
        code(report.candidate.name),
        f"{MARKS[report.verdict]} {report.verdict}",
        code(deciding_check(report)) if report.verdict != "pass" else NOTHING,
        code(report.diagnosis[0].fault) if report.diagnosis else NOTHING,
        escape(one_line(first_sentence(report.summary), LONGEST_REASON)),
    )


def _details(reports: Sequence[Report], room: int) -> tuple[list[str], int]:
    """Each report folded up, as many as there is room for, and how many there is none for."""
    shown: list[str] = []
    for position, report in enumerate(reports):
        name = escape(report.candidate.name)
        # Our own headings stand at the beginning of a block: those of a candidate are escaped. Here they are below the run's.
        lowered = [re.sub("^(#+) ", r"#\1 ", block) for block in blocks(report)]
        folded = ["<details>", f"<summary>{MARKS[report.verdict]} {name}</summary>", *lowered, "</details>"]
        size = sum(len(block.encode(errors="replace")) + 2 for block in folded)
        if size > room:
            return shown, len(reports) - position
        shown += folded
        room -= size
    return shown, 0
