"""Known failures: what a baseline file says, and whether a report still fails as it says. Pure: text in, records out."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.errors import RequestError
from verifier.results.report import Report

KEYS = ("candidate", "verdict", "checks", "fault", "reason")
REQUIRED = ("candidate", "verdict", "checks")
VERDICTS = ("fail", "error", "inconclusive")


@dataclass(frozen=True)
class Known:
    """A failure that is accepted for now: these checks fail, for this fault where one is named; `reason` is for people."""

    candidate: str
    verdict: str
    checks: tuple[str, ...]
    fault: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Held:
    """A report held against its known failure: `as_known`, and a sentence that says so, or what is different."""

    as_known: bool
    message: str


def read_baseline(text: str, name: str) -> tuple[Known, ...]:
    """The known failures of a baseline file.

    Raises:
        RequestError: it is not TOML, or not a list of `[[known]]`; the text names the entry and the key.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{name}: {error}") from None
    entries = table.pop("known", [])
    if table:
        raise RequestError(f"{name}: {next(iter(table))!r} is not known; a baseline holds tables [[known]] only")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RequestError(f"{name}: known is a list of tables: write [[known]]")
    known = tuple(_entry(entry, f"{name}, entry {position}") for position, entry in enumerate(entries, 1))
    names = [entry.candidate for entry in known]
    twice = next((candidate for candidate in names if names.count(candidate) > 1), None)
    if twice is not None:
        raise RequestError(f"{name}: {twice!r} has two entries")
    return known


def _entry(entry: Mapping[str, Any], place: str) -> Known:
    for key in entry:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise RequestError(f"{place}: key {key!r} is not known.{hint} Keys: {', '.join(KEYS)}.")
    for key in REQUIRED:
        if key not in entry:
            raise RequestError(f"{place}: {key!r} is missing")
    for key, value in entry.items():
        if key != "checks" and not isinstance(value, str):
            raise RequestError(f"{place}: {key!r} is {value!r}; it must be a string")
    if entry["verdict"] not in VERDICTS:
        raise RequestError(f"{place}: verdict {entry['verdict']!r} is none of {', '.join(VERDICTS)}")
    checks = entry["checks"]
    if not isinstance(checks, list) or not all(isinstance(check, str) for check in checks):
        raise RequestError(f"{place}: 'checks' is {checks!r}; it must be a list of check ids")
    return Known(entry["candidate"], entry["verdict"], tuple(checks), entry.get("fault"), entry.get("reason", ""))


def failing_checks(report: Report) -> tuple[str, ...]:
    """The checks that make the verdict what it is."""
    return tuple(outcome.id for outcome in report.checks if report.verdict != "pass" and outcome.status == report.verdict)


def hold_against(report: Report, known: Known) -> Held:
    """Whether a report fails as it is known to."""
    if report.verdict == "pass":
        return Held(False, f"{known.candidate} passes, although it is a known failure: remove it from the baseline.")
    different = [*_differences(report, known)]
    if different:
        return Held(False, f"{known.candidate} does not fail as it is known to: {'; '.join(different)}.")
    reason = f": {known.reason}" if known.reason else ""
    return Held(True, f"{known.candidate} is a known failure{reason}")


def _differences(report: Report, known: Known) -> Sequence[str]:
    found = []
    if report.verdict != known.verdict:
        found.append(f"the verdict is {report.verdict}, not {known.verdict}")
    checks = set(failing_checks(report))
    if report.verdict == known.verdict and checks != set(known.checks):
        more, fewer = sorted(checks - set(known.checks)), sorted(set(known.checks) - checks)
        found += [f"{', '.join(more)} fails too"] if more else []
        found += [f"{', '.join(fewer)} does not fail any more"] if fewer else []
    fault = report.diagnosis[0].fault if report.diagnosis else None
    if known.fault is not None and fault != known.fault:
        found.append(f"the mistake is {fault or 'not recognised'}, not {known.fault}")
    return found


def not_met(known: Sequence[Known], reports: Sequence[Report]) -> tuple[str, ...]:
    """The known failures whose candidates were not judged at all."""
    judged = {report.candidate.name for report in reports}
    return tuple(entry.candidate for entry in known if entry.candidate not in judged)
