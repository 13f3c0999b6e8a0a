"""What fails, as TOML for `--baseline`: each candidate with the checks and the mistake that it is known for."""

import json

from verifier.reports.untrusted import one_line
from verifier.reports.wording import first_sentence
from verifier.results.baseline import failing_checks
from verifier.results.gathering import Gathering
from verifier.results.report import Report

HEAD = "# Known failures: each must still fail for this reason (verifier check --baseline FILE). Say why you accept it.\n"


def write(report: Report) -> str:
    """The baseline of one candidate; only the head for a pass."""
    return write_together(Gathering((report,)))


def write_together(run: Gathering) -> str:
    """The baseline of a run."""
    return HEAD + "".join(_entry(report) for report in run.reports if report.verdict != "pass")


def _entry(report: Report) -> str:
    lines = [f"candidate = {_string(report.candidate.name)}", f"verdict = {_string(report.verdict)}"]
    lines.append(f"checks = [{', '.join(map(_string, failing_checks(report)))}]")
    if report.diagnosis:
        lines.append(f"fault = {_string(report.diagnosis[0].fault)}")
    lines += [f"# {one_line(first_sentence(report.summary))}", 'reason = ""  # why you accept it: an issue, a date, a name']
    return "\n".join(["", "[[known]]", *lines, ""])


def _string(text: str) -> str:
    """A basic string; what `one_line` leaves needs no escapes but those that JSON has too."""
    return json.dumps(one_line(text), ensure_ascii=False)
