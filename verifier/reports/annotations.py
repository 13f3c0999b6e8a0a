"""Reports as GitHub workflow commands: one annotation a candidate, at the line of its file where there is one.

GitHub shows ten errors and ten warnings of a step. What a candidate wrote is encoded, so that it cannot give commands of its own.
"""

import re
from collections.abc import Iterator

from verifier.reports.untrusted import one_line
from verifier.reports.wording import verdict_means
from verifier.results.gathering import Gathering
from verifier.results.report import Report

COMMANDS = {"fail": "error", "error": "error", "inconclusive": "warning"}
LONGEST = 4_000  # characters of a message
_LINE = re.compile(r", line (\d{1,9})\b")


def write(report: Report) -> str:
    """The annotations of one candidate; "" for a pass without notes."""
    return write_together(Gathering((report,)))


def write_together(run: Gathering) -> str:
    """The annotations of a run, errors first."""
    lines = [command("error", "verifier: not judged", message) for message in run.unjudged]
    lines += [command("error", f"{name}: not as in the baseline", message) for name, message in run.unexpected.items()]
    lines += [line for report in run.reports for line in _annotations(report, run.known.get(report.candidate.name))]
    order = ("::error", "::warning", "::notice")
    lines.sort(key=lambda line: order.index(line.split(" ")[0]))
    return "".join(f"{line}\n" for line in lines)


def command(kind: str, title: str, message: str, file: str | None = None, line: int | None = None) -> str:
    """One workflow command."""
    place = [f"file={_property(file)}"] if file else []
    place += [f"line={line}"] if file and line is not None else []
    return f"::{kind} {','.join([*place, f'title={_property(title)}'])}::{_data(one_line(message, LONGEST))}"


def _annotations(report: Report, known: str | None) -> Iterator[str]:
    name = one_line(report.candidate.name)
    path = one_line(report.candidate.path)
    file = path if path.endswith(".py") else None
    if known is not None:
        yield command("notice", f"{name}: known failure", known, file)
    elif report.verdict != "pass":
        title = f"{name}: {report.verdict}, {verdict_means(report)}"
        message = one_line(report.summary, LONGEST)
        if report.diagnosis:
            best = report.diagnosis[0]
            message += f" Diagnosis: {one_line(best.fault)}, equation {one_line(best.equation)}."
        yield command(COMMANDS[report.verdict], title, message, file, _line_of(report, path))
    for note in report.notes:
        declare = f" To declare it: {one_line(note.manifest_line)}" if note.manifest_line else ""
        yield command("notice", f"{name}: note of {one_line(note.check)}", one_line(note.message) + declare, file)


def _line_of(report: Report, path: str) -> int | None:
    """The line of the candidate's own file that its failure names."""
    if report.own_lines:
        return report.own_lines[0].line if report.own_lines[0].file == report.candidate.path else None
    file = path.rpartition("/")[2]
    before, _, after = one_line(report.summary).partition(file)
    found = _LINE.match(after) if before or after else None
    return int(found[1]) if found else None


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
