"""A report in Markdown, for a pull request or a repository: verdict and diagnosis first. What a candidate wrote is escaped or fenced."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from verifier.arrays import element_of
from verifier.reports.layers import HEADINGS, layers_of, row_of
from verifier.reports.operations import operations_of
from verifier.reports.operations import table_of as table_of_operations
from verifier.reports.untrusted import last_lines, one_line
from verifier.reports.walkthrough import lines_of
from verifier.reports.wording import (
    NOTHING,
    came_to_nothing,
    certificate_lines,
    element,
    explained_words,
    isolation_words,
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
    shown_seed,
    skipped_by_reason,
    times_tolerance,
    title,
    verdict_means,
    worst_measurement,
    worst_measurements,
)
from verifier.results.outcome import Outcome
from verifier.results.report import Counterexample, Diagnosis, Report

PRINTED_LINES = 60
ELEMENTS_SHOWN = 40
COMPARISONS_A_CHECK = 3
MOST_BYTES = 1_000_000  # GitHub takes 1 MiB of a step's summary, and shows none of a longer one
CUT = "*Some of this is left out, for length; `report.json` has all of it.*"
MARKS = {"pass": "✅", "fail": "❌", "error": "💥", "inconclusive": "❔", "skipped": "➖"}


def write(report: Report) -> str:
    """The report as GitHub-flavoured Markdown, at most `MOST_BYTES` long."""
    return "\n\n".join(fitting(blocks(report))) + "\n"


def blocks(report: Report) -> list[str]:
    """The report's paragraphs, tables and fences in order; whole ones may be left out."""
    sections: Sequence[Callable[[Report], Iterable[str]]] = (
        _head,
        _own_lines,
        _diagnosis,
        _to_do,
        _checks,
        certificate_lines,
        _explanations,
        _notes,
        _measurements,
        _counterexample,
        _printed,
        _run,
    )
    return [block for section in sections for block in section(report)]


def fitting(blocks: Sequence[str], limit: int = MOST_BYTES) -> list[str]:
    """As many of the blocks as fit into `limit` bytes with the empty lines between them; a last one tells what was left out."""
    shown: list[str] = []
    length = len(CUT.encode()) + 2
    for block in blocks:
        size = len(block.encode(errors="replace")) + 2
        if length + size <= limit:
            shown.append(block)
            length += size
    return shown if len(shown) == len(blocks) else [*shown, CUT]


def escape(text: str) -> str:
    """The text on one line with nothing that Markdown, HTML or a mention would act on.

    What can do nothing stays as it is (``weights[0]``, ``squared_error``), for those who read the file itself.
    """
    line = re.sub(r"([\\`*|~]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(:]|(?<=\[)\^)", r"\\\1", one_line(text))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"@(?=\w)", "@\N{ZERO WIDTH SPACE}", line)  # a candidate's message must not call people
    line = re.sub(r":(?=//)", r"\\:", line).replace("www.", "www\\.")  # nor be a link
    # At the beginning of a block: a heading, a list, a rule, a task.
    return re.sub(r"^(?:([#+=-])(?=[\s#=-]|$)|(\d+)([.)])(?=\s|$)|(\[(?=[ xX]\])))", _escape_start, line)


def _escape_start(match: re.Match[str]) -> str:
    mark, digits, point, box = match.groups()
    return f"\\{mark or box}" if mark or box else f"{digits}\\{point}"


def code(text: str) -> str:
    """The text in a code span that its own backticks cannot end; a bar would end a table's cell."""
    line = one_line(text).replace("|", "¦")
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if longest or not line else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def fence(lines: Iterable[str], language: str = "text") -> str:
    """A block of code that no line of it can end."""
    body = "\n".join(lines)
    longest = max((len(run) for run in re.findall("`+", body)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{body}\n{ticks}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    """A table; `align` has an l or an r for each column."""
    rules = ["---:" if letter == "r" else ":---" for letter in align]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rules, *rows))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _head(report: Report) -> Iterator[str]:
    yield f"# {MARKS[report.verdict]} {report.verdict.upper()}: {escape(report.candidate.name)}"
    yield f"**{_sentence(verdict_means(report))}.** {escape(report.summary)}"


def _own_lines(report: Report) -> Iterator[str]:
    if not report.own_lines:
        return
    yield f"## {own_lines_heading(report)}"
    for line, sentence in own_lines_said(report):
        yield f"**{escape(line.place)}**"
        yield fence(marked_source(line), "python")
        yield escape(sentence)


def _diagnosis(report: Report) -> Iterator[str]:
    if not report.diagnosis:
        return
    yield "## Diagnosis"
    best, *others = report.diagnosis
    yield f"**{escape(best.fault)}**{_equation(best)}: {escape(best.explanation)}"
    if best.evidence:
        yield escape(best.evidence)
    for also, heading in ((True, "Wrong too:"), (False, "Other explanations, less likely:")):
        lines = [f"- **{escape(other.fault)}**{_equation(other)}: {escape(other.explanation)}" for other in others if other.also == also]
        if lines:
            yield heading
            yield "\n".join(lines)


def _equation(found: Diagnosis) -> str:
    return f" (equation {code(found.equation)})" if found.equation else ""


def _to_do(report: Report) -> Iterator[str]:
    for step in next_steps(report):
        sentence, _, command = step.partition(": ")
        yield f"{sentence}:"
        yield fence([command], "console")


def _checks(report: Report) -> Iterator[str]:
    if came_to_nothing(report):
        return
    if operations_of(report):
        headings, rows = table_of_operations(report)
        yield "## Operations, each alone"
        yield table(headings, ([escape(cell) for cell in row] for row in rows), "l" * len(headings))
    if layers := layers_of(report):
        yield "## Layers"
        yield table(HEADINGS, ([escape(cell) for cell in row_of(layer)] for layer in layers), "lllll")
    yield "## Checks"
    asked = f"{problem_word(report)}s"
    headings = ("check", "status", "error", "tolerance", "of tolerance", asked, "worst tensor", "excludes above", "tolerance from")
    yield table(headings, (_check_row(report, outcome) for outcome in report.checks), "llrrrrlrl")
    if words := explained_words(report):
        yield " ".join(words)


def _check_row(report: Report, outcome: Outcome) -> Sequence[str]:
    worst = worst_measurement(report, outcome)
    return (
        code(title(outcome)),
        f"{MARKS[outcome.status]} {outcome.status}",
        number(outcome.error),
        number(outcome.tolerance),
        times_tolerance(outcome.error, outcome.tolerance),
        networks(outcome),
        code(outcome.tensor) if outcome.tensor else NOTHING,
        number(outcome.resolves),
        escape(worst.source) if worst else NOTHING,
    )


def _explanations(report: Report) -> Iterator[str]:
    for outcome in not_passed(report):
        if not said_in_summary(report, outcome.message):
            yield f"**{escape(outcome.id)}**, {outcome.status}: {escape(outcome.message)}"
    skipped = skipped_by_reason(report)
    if skipped and not came_to_nothing(report):
        yield "\n".join(f"- Not asked: {', '.join(map(code, checks))}. {escape(reason)}" for reason, checks in skipped.items())


def _notes(report: Report) -> Iterator[str]:
    if not report.notes:
        return
    yield "## Notes"
    for note in report.notes:
        yield f"- {code(note.check)}: {escape(note.message)}"
        if note.manifest_line:
            yield "  To declare it, add to the manifest:"
            yield "\n".join("  " + line for line in fence([one_line(note.manifest_line)], "toml").split("\n"))


def _measurements(report: Report) -> Iterator[str]:
    if not report.measurements:
        return
    yield "## Worst comparisons"
    headings = ("check", "element", "claimed", "right", "error", "tolerance", "network")
    measurements, left_out = worst_measurements(report, COMPARISONS_A_CHECK)
    rows = (
        (
            f"{MARKS[measurement.status]} {code(measurement.check)}",
            code(element(measurement)),
            number(measurement.claimed, 6),
            number(measurement.reference, 6),
            number(measurement.error),
            number(measurement.tolerance),
            f"{measurement.problem}: {escape(measurement.network)}",
        )
        for measurement in measurements
    )
    yield table(headings, rows, "llrrrrl")
    if left_out:
        yield f"And {left_out} more in `report.json`."


def _counterexample(report: Report) -> Iterator[str]:
    example = report.counterexample
    if example is None:
        return
    yield f"## Smallest {problem_word(report)} that fails"
    yield f"{escape(example.problem)} (check {code(example.check)})."
    if example.arrays:
        yield fence(f"{one_line(name)} = {_array_text(values)}" for name, values in example.arrays.items())
    if example.claimed:
        yield table(("gradient", "claimed", "right"), _gradient_rows(example), "lrr")
    if example.walkthrough:
        yield "### Worked by hand"
        worked = lines_of(example.walkthrough)
        yield fence(line.whole for line in worked)
        difference = next((line for line in worked if line.first), None)
        if difference is not None:
            yield f"The first line where the candidate differs belongs to {code(difference.equation)}: {escape(difference.text)}."
    if example.file:
        yield f"Stored beside this report as {code(example.file)}."


def _gradient_rows(example: Counterexample) -> Iterator[Sequence[str]]:
    for name, claimed in example.claimed.items():
        right = dict(flatten(example.reference.get(name)))
        for count, (index, value) in enumerate(flatten(claimed)):
            if count == ELEMENTS_SHOWN:
                yield (f"{code(name)} …", "…", "…")
                break
            place = element_of(name, index)
            yield (code(place), number(value, 6), number(right.get(index), 6))


def flatten(values: Any, index: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], float | None]]:
    """The elements of a nested list with their indices; None stands for a number that JSON cannot hold."""
    if isinstance(values, list):
        for position, inner in enumerate(values):
            yield from flatten(inner, (*index, position))
    else:
        yield index, float(values) if isinstance(values, (int, float)) else None


def _array_text(values: Any) -> str:
    """A nested list as it would be typed, cut where it is long."""
    if isinstance(values, list):
        shown = [_array_text(inner) for inner in values[:ELEMENTS_SHOWN]]
        return f"[{', '.join([*shown, '…'] if len(values) > ELEMENTS_SHOWN else shown)}]"
    return one_line(repr(values)) if values is not None else "nan"


def _printed(report: Report) -> Iterator[str]:
    if report.verdict != "pass" and report.printed.strip():
        yield "## What it printed"
        yield fence(last_lines(report.printed, PRINTED_LINES))


def _run(report: Report) -> Iterator[str]:
    yield "## This run"
    facts = {"isolation": isolation_words(report.isolation), "profile": report.profile, "seed": shown_seed(report), **report.environment}
    yield "\n".join(f"- {escape(name)}: {escape(value)}" for name, value in facts.items())
    yield "To make it again:"
    yield fence([reproduce_command(report)], "console")
