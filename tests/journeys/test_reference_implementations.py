"""Every candidate in reference_impls/, judged by the command: its README says what must come out."""

import re
import xml.etree.ElementTree as xml
from importlib import metadata
from pathlib import Path

import pytest

from verifier.results.report import Report, from_json

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([\w/]+?)(?:\.py|/)` \|.*\| ([^|]*) \|$")

# How pytest tells each status of a check.
TOLD = {"pass": "passed", "fail": "failure", "error": "failure", "inconclusive": "skipped", "skipped": "skipped"}
INSTALLED = any(point.value == "verifier.pytest_plugin" for point in metadata.entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "verifier.pytest_plugin")

AT_RANDOM = {"dropout_left_on"}  # gives other numbers at each call


def promised() -> list[tuple[str, str, str]]:
    """(folder, name, what must come out) of every row of the README's tables but those that need another installation."""
    folder, rows = "", []
    for line in (ROOT / "reference_impls" / "README.md").read_text().split("\n"):
        if line.startswith("## "):
            folder = line[3:].strip().rstrip("/")
        elif (row := ROW.match(line)) and folder != "third_party":
            rows.append((folder, row[1], row[2]))
    return rows


def test_the_readme_lists_what_is_there():
    there = {(path.parent.name, path.stem) for path in ROOT.glob("reference_impls/*/*") if path.suffix == ".py" or path.is_dir()}
    there = {(folder, name) for folder, name in there if folder != "third_party" and name != "__pycache__"}
    assert {(folder, name) for folder, name, _ in promised()} == there


@pytest.mark.parametrize(("folder", "status"), [("correct", 0), ("faulty", 1), ("worked_example", 1)])
def test_a_folder_ends_in_one_table_and_its_status(folder, status, judged):
    done, reports = judged[folder]
    assert done.returncode == status, done.stdout + done.stderr
    assert f"{len(reports)} candidates: " in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(("folder", "name", "words"), promised())
def test_each_gets_the_verdict_that_is_promised(folder, name, words, judged):
    report = judged[folder][1][name]
    failed = {outcome.id for outcome in report.checks if outcome.status == "fail"}
    if words.startswith("pass"):
        assert report.verdict == "pass", report.summary
        # What happens on saturated networks depends on which are drawn, and promises nothing.
        notes = [note for note in report.notes if note.check != "stability"]
        assert bool(notes) == ("note" in words), notes
    else:
        assert report.verdict == "fail", report.summary
        assert set(re.findall(r"`([\w-]+)`", words)) <= failed, report.summary


@pytest.mark.parametrize("folder", ["correct", "faulty", "worked_example"])
def test_pytest_and_the_command_agree(folder, judged, python, tmp_path):
    """Each candidate's verdict, each check's status and every figure: pytest judges one candidate a time, the command all in one run."""
    done, reports = judged[folder]
    path = f"reference_impls/{folder}"
    asked = ("--verify", path, "--verify-profile", "quick", "--verify-report-dir", tmp_path, "--junitxml", tmp_path / "junit.xml")
    # The folder again, as where pytest looks for tests: it holds none.
    by_pytest = python("pytest", *PLUGIN, "-p", "no:cacheprovider", *asked, path)
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
