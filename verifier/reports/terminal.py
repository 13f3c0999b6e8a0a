"""A report for the terminal: the first screen says the verdict, the tensor, the numbers and what to do.

Everything is a rich `Text`, never markup, so that a candidate's words cannot colour or hide anything. Where the output is not a
terminal, rich writes plain text; where NO_COLOR is set, it writes no colour.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from verifier.counting import counted
from verifier.reports.layers import HEADINGS, layers_of, row_of
from verifier.reports.operations import is_wrong, operations_of
from verifier.reports.operations import table_of as table_of_operations
from verifier.reports.untrusted import last_lines, one_line
from verifier.reports.walkthrough import Line, around_the_difference, first_difference, lines_of
from verifier.reports.wording import (
    NOTHING,
    certificate_lines,
    deciding_check,
    element,
    first_sentence,
    isolation_gap,
    marked_source,
    networks,
    next_steps,
    not_passed,
    number,
    own_lines_heading,
    own_lines_said,
    problem_word,
    reproduce_command,
    said_in_summary,
    skipped_by_reason,
    title,
    unsaid_worst,
)
from verifier.results.cohort import OUTCOMES
from verifier.results.equations import EQUATIONS
from verifier.results.gathering import Gathering
from verifier.results.outcome import Measurement
from verifier.results.report import Diagnosis, Note, Report
from verifier.results.submission import UNKNOWN, without_path

LONGEST_NAME = 26  # columns of a name in the table over several candidates
INDENT = " " * 6  # below the verdict's word
STYLES = {"pass": "bold green", "fail": "bold red", "error": "bold magenta", "inconclusive": "bold yellow", "skipped": "dim"}
PRINTED_LINES = 20  # of what the candidate printed; report.json has the rest
NOTES_SHOWN = 5
OTHER_EXPLANATIONS = 3
WORKED_LINES = 9  # of the counterexample worked by hand: a screen holds the rest of the report too


def open_console(file: IO[str] | None = None, *, stderr: bool = False, width: int | None = None) -> Console:
    """A console that takes nothing for markup, an emoji or something to highlight."""
    return Console(file=file, stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def write(report: Report) -> str:
    """The report as plain text of 80 columns."""
    return _text(lambda console: show(report, console))


def write_together(run: Gathering) -> str:
    """The reports of a run as plain text of 80 columns, each as briefly as the command shows several, with their table."""
    if len(run.reports) == 1 and not run.unjudged:
        return write(run.reports[0])

    def show_all(console: Console) -> None:
        for message in run.unjudged:
            console.print(Text(f"Not judged: {one_line(message)}"), soft_wrap=True)
        for report in run.reports:
            show_short(report, console)
        if run.reports:
            console.print()
            show_table(run.reports, console)

    return _text(show_all)


def _text(show: Callable[[Console], None]) -> str:
    page = io.StringIO()
    # Not a terminal, whatever FORCE_COLOR says: this is a file.
    show(Console(file=page, width=80, force_terminal=False, color_system=None, markup=False, emoji=False, highlight=False))
    return "".join(line.rstrip() + "\n" for line in page.getvalue().split("\n")[:-1])


def show(report: Report, console: Console, *, folder: Path | None = None, written: Sequence[Path] = ()) -> None:
    """One candidate's report, whole; `written` are the files that hold it."""
    console.print(_headline(report, console.width), soft_wrap=True)
    _indent(console, one_line(report.summary))
    _show_own_lines(report, console)
    if report.diagnosis:
        console.print()
        _show_diagnosis(report.diagnosis, report.summary, console)
    _show_walkthrough(report, console)
    led_by_an_exception = report.verdict == "error"
    if led_by_an_exception:
        _show_printed(report.printed, console)
    if layers_of(report):
        console.print()
        console.print(_table_of_layers(report))
    elif len(report.checks) == 1 or any(outcome.status != "skipped" for outcome in report.checks[1:]):
        console.print()
        console.print(_table_of_checks(report))
    if operations_of(report):
        console.print()
        console.print(_table_of_operations(report))
    _show_not_passed(report, console)
    for line in certificate_lines(report):
        console.print()
        console.print(Text(line))
    _show_notes(report.notes, console)
    if report.verdict != "pass" and not led_by_an_exception:
        _show_printed(report.printed, console)
    gap = isolation_gap(report.isolation)
    if gap:
        console.print()
        console.print(Text.assemble(("Isolation: ", "bold yellow"), gap))
    console.print()
    _show_what_to_do(report, console, folder, written)


def show_short(report: Report, console: Console, *, written: Sequence[Path] = ()) -> None:
    """One of several candidates, as it is finished: a line where it passes, what to look at where it does not."""
    if report.verdict == "pass":
        line = _headline(report, console.width)
        if report.notes:
            line.append(f"  ({counted(len(report.notes), 'note')})", "dim")
        console.print(line, soft_wrap=True)
        return
    console.print(_headline(report, console.width), soft_wrap=True)
    _indent(console, one_line(report.summary))
    if report.diagnosis:
        best = report.diagnosis[0]
        said = one_line(best.explanation) in one_line(report.summary)
        _indent(console, f"Diagnosis: {one_line(best.fault)}" + ("" if said else f": {first_sentence(best.explanation)}"), "cyan")
    for own in report.own_lines[:1]:
        _indent(console, f"{one_line(own.place)}: {one_line(own.sentence)}")
    if written:
        _indent(console, f"Report: {_page_to_read(written)}", "dim", wrap=False)


def show_table(reports: Sequence[Report], console: Console, unjudged: Sequence[str] = (), known: int = 0) -> None:
    """All candidates of a run in one table, a line each, and how many got which verdict; then what was not judged, a sentence each.

    `known`: how many fail as a baseline knows, and count as passes.
    """
    scored = any("--assignment" in report.options for report in reports)
    rows = [("candidate", "verdict", "score" if scored else "failing check", "what was found")]
    for report in reports:
        score = NOTHING if report.score is None else f"{report.score.points:g}"
        third = score if scored else deciding_check(report)
        rows.append((one_line(report.candidate.name), outcome_word(report), third, _found(report)))
    # By hand: rich shrinks every column where one is long, and a name or a verdict cut to two letters says nothing.
    widths = [min(max(len(row[column]) for row in rows), LONGEST_NAME) for column in range(3)]
    styles = ["bold", *(STYLES[report.verdict] for report in reports)]
    for row, style in zip(rows, styles, strict=True):
        line = Text()
        for column, (cell, width) in enumerate(zip(row[:3], widths, strict=True)):
            padded = Text(cell, style if column == 1 or style == "bold" else "")
            padded.truncate(width, overflow="ellipsis", pad=True)
            line.append(padded).append("  ")
        line.append(row[3], style if style == "bold" else "")
        line.truncate(console.width, overflow="ellipsis")
        console.print(line, soft_wrap=True)
    for sentence in unjudged:
        line = Text.assemble(("NOT JUDGED  ", STYLES["error"]), one_line(sentence))
        line.truncate(console.width, overflow="ellipsis")
        console.print(line, soft_wrap=True)
    console.print()
    for gap in dict.fromkeys(gap for report in reports if (gap := isolation_gap(report.isolation))):
        console.print(Text.assemble(("Isolation: ", "bold yellow"), gap))
    runs = dict.fromkeys(f"profile {one_line(report.profile)}, seed {report.seed}" for report in reports)
    missing = f", {len(unjudged)} not judged" if unjudged else ""
    accepted = f", {known} known" if known else ""
    console.print(f"{tally(reports)}{missing}{accepted} ({'; '.join(runs)})")


def _found(report: Report) -> str:
    """The mistake by name where it has one: a sentence would be cut off before its point."""
    named = [diagnosis.fault for diagnosis in report.diagnosis if diagnosis.fault != UNKNOWN]
    if named:
        return one_line(", ".join(named))
    return first_sentence(without_path(report.summary, report.candidate.path))


def outcome_word(report: Report) -> str:
    """The verdict in capitals; ``NOT JUDGED`` or ``NOT DONE`` where an error is no mistake in the mathematics."""
    return (report.reason.replace("-", " ") or report.verdict).upper()


def tally(reports: Sequence[Report]) -> str:
    """How many candidates got which verdict: ``12 pass, 3 fail``."""
    words = [outcome_word(report).lower() for report in reports]
    parts = [f"{words.count(word)} {word}" for word in OUTCOMES if word in words]
    return f"{counted(len(reports), 'candidate')}: {', '.join(parts)}"


def _headline(report: Report, width: int) -> Text:
    name = one_line(report.candidate.name)
    line = Text.assemble((f"{outcome_word(report):4}", STYLES[report.verdict]), (f"  {name}", "bold"))
    path = one_line(report.candidate.path)
    # A long path goes to a line of its own, in one piece.
    between = "  " if len(line) + 2 + len(path) <= width else f"\n{INDENT}"
    return line if path == name else line.append(between + path, "dim")


def _indent(console: Console, text: str, style: str = "", *, wrap: bool = True) -> None:
    # Wrapped here: rich would fill each line with spaces. A path or a command is copied, so it stays in one piece.
    lines = textwrap.wrap(text, max(20, console.width - len(INDENT)), break_on_hyphens=False) if wrap else [text]
    for line in lines:
        console.print(Text(INDENT + line, style), soft_wrap=True)


def _show_diagnosis(diagnosis: Sequence[Diagnosis], summary: str, console: Console) -> None:
    best, *others = diagnosis
    equation = f" (equation: {one_line(best.equation)})" if best.equation else ""
    console.print(Text.assemble(("Diagnosis: ", "bold cyan"), (one_line(best.fault), "bold"), equation))
    if one_line(best.explanation) not in one_line(summary):
        _indent(console, one_line(best.explanation))
    if best.evidence:
        _indent(console, one_line(best.evidence), "dim")
    for other in others[:OTHER_EXPLANATIONS]:
        _indent(console, f"{'and' if other.also else 'or'} {one_line(other.fault)}: {first_sentence(other.explanation)}", "dim")
    if len(others) > OTHER_EXPLANATIONS:
        _indent(console, f"and {len(others) - OTHER_EXPLANATIONS} more, in the report", "dim")


def _show_own_lines(report: Report, console: Console) -> None:
    """The lines of the candidate's source that would fix it, as a compiler shows them."""
    for position, (line, sentence) in enumerate(own_lines_said(report)):
        console.print()
        console.print(
            Text.assemble((own_lines_heading(report) if position == 0 else "And", "bold cyan"), ": ", (one_line(line.place), "bold"))
        )
        for text, style in zip(marked_source(line), ("", "bold red"), strict=True):
            console.print(Text(INDENT + text, style), soft_wrap=True)
        _indent(console, sentence)


def _show_walkthrough(report: Report, console: Console) -> None:
    """The counterexample worked by hand, around the first line where the candidate parts from it."""
    example = report.counterexample
    if example is None or first_difference(example.walkthrough) is None:
        return
    shown, left_out = around_the_difference(lines_of(example.walkthrough), WORKED_LINES)
    console.print()
    # A network was described in the first sentence; a layer's problem was not.
    where = f"at {example.problem}, the smallest problem that fails" if report.layers else f"on that {problem_word(report)}"
    console.print(Text.assemble(("By hand", "bold cyan"), f" {where} (✓ the candidate agrees, ✗ it differs):"))
    show_worked(shown, console)
    if left_out:
        console.print(Text(f"      … {counted(left_out, 'more line')} in the report.", "dim"))


def show_worked(lines: Sequence[Line], console: Console) -> None:
    """Lines of a problem worked by hand; the first that parts stands out and names its equation."""
    for line in lines:
        style = "bold red" if line.first else "" if line.mark == "✗" else "dim"
        fits = len(line.whole) + 6 <= console.width
        console.print(Text(f"    {'>' if line.first else ' '} {line.whole if fits else line.result}", style), soft_wrap=True)
        if not fits and line.mark == "✗":
            console.print(Text(f"        candidate: {line.claimed}", style), soft_wrap=True)
        if line.first:
            where = f"equation {line.equation}" if line.equation in EQUATIONS else line.equation
            console.print(Text(f"        The first difference: {where}.", "red"), soft_wrap=True)


def _table(*headings: str) -> Table:
    """An empty table with these columns, whose words are folded where they do not fit."""
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _table_of_checks(report: Report) -> Table:
    table = _table("check")
    table.add_column("status", no_wrap=True)
    for heading in ("error", "tolerance", f"{problem_word(report)}s", "excludes above"):
        table.add_column(heading, justify="right", no_wrap=True)
    for outcome in report.checks:
        status = outcome.status if outcome.status in ("pass", "skipped") else outcome.status.upper()
        table.add_row(
            Text(one_line(title(outcome))),
            Text(status, STYLES[outcome.status]),
            number(outcome.error),
            number(outcome.tolerance),
            networks(outcome),
            number(outcome.resolves),
        )
    return table


def _table_of_operations(report: Report) -> Table:
    """A row an operation of an engine; what it refuses stands on the page."""
    headings, rows = table_of_operations(report)
    table = _table(*headings[:-1])
    for operation, (name, *cells, _) in zip(operations_of(report), rows, strict=True):
        table.add_row(Text(name, "bold red" if is_wrong(operation) else ""), *(Text(cell) for cell in cells))
    return table


def _table_of_layers(report: Report) -> Table:
    """A row a layer: its forward pass, its gradients by name; what was found stands below."""
    table = _table(*HEADINGS[:-1])
    for layer in layers_of(report):
        name, verdict, forward, gradients, _ = row_of(layer)
        table.add_row(Text(name), Text(verdict, STYLES.get(layer.verdict, "dim")), Text(forward), Text(gradients))
    return table


def _show_not_passed(report: Report, console: Console) -> None:
    """Why each check that did not pass did not, unless the headline has said it; the skipped ones by their reasons."""
    for outcome in not_passed(report):
        worst = unsaid_worst(report, outcome)
        said = said_in_summary(report, outcome.message)
        if said and worst is None:
            continue
        console.print()
        message = "as said above." if said else one_line(outcome.message)
        console.print(Text.assemble((f"{one_line(title(outcome))}: ", STYLES[outcome.status]), message))
        if worst is not None:
            for words in _worst_lines(worst, problem_word(report)):
                _indent(console, words)
    skipped = skipped_by_reason(report)
    if skipped:
        console.print()
    for reason, checks in skipped.items():
        console.print(Text(f"Not asked: {', '.join(checks)}. {reason}", "dim"))


def _worst_lines(worst: Measurement, asked: str) -> Iterator[str]:
    place = element(worst)
    if worst.claimed is not None and worst.reference is not None:
        yield f"{place}: claimed {number(worst.claimed, 6)}, right {number(worst.reference, 6)}"
        place = ""
    yield f"{place}{': ' if place else ''}error {number(worst.error)}, tolerance {number(worst.tolerance)} ({one_line(worst.source)})"
    yield f"{asked} {worst.problem}: {one_line(worst.network)}"


def _show_notes(notes: Sequence[Note], console: Console) -> None:
    for note in notes[:NOTES_SHOWN]:
        console.print()
        console.print(Text.assemble((f"Note ({one_line(note.check)}): ", "bold blue"), one_line(note.message)))
        if note.manifest_line:
            _indent(console, f"To declare it, add to the manifest:  {one_line(note.manifest_line)}", wrap=False)
    if len(notes) > NOTES_SHOWN:
        console.print(f"… and {len(notes) - NOTES_SHOWN} more notes, in the report.")


def _show_printed(printed: str, console: Console) -> None:
    if not printed.strip():
        return
    console.print()
    console.print("It printed:")
    for line in last_lines(printed, PRINTED_LINES):
        console.print(Text(f"  │ {line}", "dim"), soft_wrap=True)


def _show_what_to_do(report: Report, console: Console, folder: Path | None, written: Sequence[Path]) -> None:
    for step in next_steps(report, folder):
        sentence, _, command = step.partition(": ")
        console.print(f"{sentence}:")
        _indent(console, command, "bold", wrap=False)
    if written:
        console.print(f"Report: {_page_to_read(written)}", soft_wrap=True)
    seconds = sum(report.timings.values())
    replayed = report.profile == "replay"
    what = "network" if report.candidate.contract == "mlp" else "problem"
    run = f"One stored {what}" if replayed else f"Profile {one_line(report.profile)}, seed {report.seed}"
    console.print(Text(run + (f", {number(seconds)} s." if seconds else "."), "dim"))
    if not written:
        console.print(Text(f"{f'All {what}s' if replayed else 'Again'}: {reproduce_command(report)}", "dim"), soft_wrap=True)


def _page_to_read(written: Sequence[Path]) -> Path:
    """The file that a person should open."""
    for name in ("report.html", "report.md", "report.txt"):
        for path in written:
            if path.name == name:
                return path
    return written[-1]
