"""`pytest --verify` over reference_impls/ says what `verifier check` says, of every check and of candidates from each folder."""

import os
import xml.etree.ElementTree as xml
from importlib import metadata
from pathlib import Path

import pytest

from verifier.results.report import Report, from_json

# How pytest tells each status of a check.
TOLD = {"pass": "passed", "fail": "failure", "error": "failure", "inconclusive": "skipped", "skipped": "skipped"}
INSTALLED = any(point.value == "verifier.pytest_plugin" for point in metadata.entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "verifier.pytest_plugin")

EVERY = int(os.environ.get("VERIFIER_AGREE_EVERY", "10"))  # of each folder; 1 asks about all, four minutes longer
AT_RANDOM = {"dropout_left_on"}  # gives other numbers at each call


@pytest.mark.parametrize(("folder", "every"), [("correct", EVERY), ("faulty", EVERY), ("worked_example", 1)])
def test_pytest_and_the_command_agree(folder, every, judged, python, tmp_path):
    """Each candidate's verdict, each check's status and every figure: pytest judges one candidate a time, the command all in one run."""
    done, reports = judged[folder]
    reports = {name: reports[name] for name in sorted(reports)[::every]}
    paths = [word for report in reports.values() for word in ("--verify", report.candidate.path)]
    asked = (*paths, "--verify-profile", "quick", "--verify-report-dir", tmp_path, "--junitxml", tmp_path / "junit.xml")
    # The folder again, as where pytest looks for tests: it holds none.
    by_pytest = python("pytest", *PLUGIN, "-p", "no:cacheprovider", *asked, f"reference_impls/{folder}")
    assert by_pytest.returncode == done.returncode, by_pytest.stdout + by_pytest.stderr
    again = [from_json(file.read_bytes()) for file in tmp_path.glob("*/report.json")]
    by_name = {Path(report.candidate.path).stem: report for report in again}
    assert {name: statuses(report) for name, report in by_name.items()} == {name: statuses(report) for name, report in reports.items()}
    for name in reports.keys() - AT_RANDOM:
        assert figures(by_name[name]) == figures(reports[name])
    assert told_by_pytest(tmp_path / "junit.xml") == {
        (name, item): outcome for name, report in reports.items() for item, outcome in promised_items(report).items()
    }


def statuses(report: Report) -> tuple[str, dict[str, str]]:
    return report.verdict, {outcome.id: outcome.status for outcome in report.checks}


def promised_items(report: Report) -> dict[str, str]:
    """What pytest must say of each check and of the verdict, which passes or fails."""
    verdict = "passed" if report.verdict == "pass" else "failure"
    return {**{outcome.id: TOLD[outcome.status] for outcome in report.checks}, "verdict": verdict}


def figures(report: Report) -> tuple[object, ...]:
    return report.verdict, report.seed, report.checks, report.measurements, report.notes, report.diagnosis


def told_by_pytest(junit: Path) -> dict[tuple[str, str], str]:
    """The outcome of every item by its candidate and its check."""
    told = {}
    for case in xml.parse(junit).iter("testcase"):
        inside = {child.tag for child in case} & {"failure", "skipped", "error"}
        told[case.get("classname", "").rpartition(".")[2], case.get("name", "")] = next(iter(inside), "passed")
    return told
