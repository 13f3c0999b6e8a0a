"""Reports as JUnit XML, in the form that pytest writes and CI systems read: a suite a candidate, a test case a check."""

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from verifier.reports.untrusted import last_lines, one_line, plain
from verifier.reports.wording import element, number, problem_word, reproduce_command, worst_measurement
from verifier.results.gathering import Gathering
from verifier.results.outcome import Outcome
from verifier.results.report import Report

PRINTED_LINES = 200
# What XML 1.0 cannot hold, not even escaped; `plain` has taken out the control characters.
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(report: Report) -> str:
    """One report as a document of one suite."""
    return write_together(Gathering((report,)))


def write_together(run: Gathering) -> str:
    """A document with a suite for each candidate, and one for what could not be judged."""
    root = Element("testsuites", name="verifier")
    for report in run.reports:
        name = report.candidate.name
        root.append(_suite(report, run.known.get(name), run.unexpected.get(name)))
    if run.unjudged:
        root.append(_unjudged(run.unjudged))
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(report: Report, known: str | None, unexpected: str | None) -> Element:
    """One candidate; a failure that is `known` counts as skipped, as pytest counts an expected one."""
    name = _text(one_line(report.candidate.name))
    suite = Element("testsuite", name=name, time=f"{sum(report.timings.values()):.3f}")
    properties = SubElement(suite, "properties")
    for key, value in _facts(report).items():
        SubElement(properties, "property", name=_text(key), value=_text(value))
    for outcome in report.checks:
        case = SubElement(suite, "testcase", classname=f"verifier.{name}", name=_text(one_line(outcome.id)))
        case.set("time", f"{report.timings.get(outcome.id, 0.0):.3f}")
        _add_outcome(case, report, outcome)
    if unexpected is not None:
        case = SubElement(suite, "testcase", classname=f"verifier.{name}", name="baseline")
        _add_result(case, "failure", "baseline", unexpected)
    if not any(case.find(kind) is not None for case in suite for kind in ("failure", "error")) and report.verdict != "pass":
        # No check failed, and yet nothing was decided: a green suite would hide it.
        _add_result(SubElement(suite, "testcase", classname=f"verifier.{name}", name="verdict"), "error", report.verdict, report.summary)
    if known is not None:
        _accept(suite, known)
    if report.verdict != "pass" and report.printed.strip():
        SubElement(suite, "system-out").text = _text("\n".join(last_lines(report.printed, PRINTED_LINES)))
    return _counted(suite)


def _facts(report: Report) -> dict[str, str]:
    best = report.diagnosis[0] if report.diagnosis else None
    facts = {
        "verdict": report.verdict,
        "path": one_line(report.candidate.path),
        "profile": one_line(report.profile),
        "seed": str(report.seed),
        "reproduce": reproduce_command(report),
    }
    if best is not None:
        facts |= {"fault": one_line(best.fault), "equation": one_line(best.equation)}
    return facts


def _add_outcome(case: Element, report: Report, outcome: Outcome) -> None:
    if outcome.status == "fail":
        _add_result(case, "failure", "fail", outcome.message, _numbers(report, outcome))
    elif outcome.status == "error":
        _add_result(case, "error", "error", outcome.message)
    elif outcome.status == "inconclusive":
        _add_result(case, "skipped", "inconclusive", f"inconclusive: {outcome.message}")
    elif outcome.status == "skipped":
        _add_result(case, "skipped", "skipped", outcome.message)


def _add_result(case: Element, kind: str, reason: str, message: str, details: str = "") -> None:
    result = SubElement(case, kind, type=reason, message=_text(one_line(message)))
    result.text = _text(plain(details)) or None


def _numbers(report: Report, outcome: Outcome) -> str:
    worst, word = worst_measurement(report, outcome), problem_word(report)
    lines = [f"error {number(outcome.error)}, tolerance {number(outcome.tolerance)}, {outcome.failed} of {outcome.problems} {word}s"]
    if worst is not None:
        if worst.claimed is not None and worst.reference is not None:
            lines.append(f"{element(worst)}: claimed {worst.claimed}, right {worst.reference}")
        lines.append(f"{word} {worst.problem}: {one_line(worst.network)}")
    return "\n".join([*lines, reproduce_command(report)])


def _accept(suite: Element, known: str) -> None:
    for case in suite.findall("testcase"):
        for result in [*case.findall("failure"), *case.findall("error")]:
            result.tag = "skipped"
            result.set("type", "known failure")
            result.set("message", _text(one_line(f"{known} ({result.get('message', '')})")))


def _unjudged(messages: tuple[str, ...]) -> Element:
    suite = Element("testsuite", name="not judged")
    for position, message in enumerate(messages, 1):
        case = SubElement(suite, "testcase", classname="verifier", name=f"not judged {position}")
        _add_result(case, "error", "not judged", message)
    return _counted(suite)


def _counted(suite: Element) -> Element:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(kind) is not None for case in cases)))
    return suite


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
