"""Every candidate in reference_impls/, judged by the command: its README says what must come out."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([\w/]+?)(?:\.py|/)` \|.*\| ([^|]*) \|$")

ELSEWHERE = ("third_party", "engines", "layers")  # judged by test_published_implementations, test_engines and checks/layer


def promised() -> list[tuple[str, str, str]]:
    """(folder, name, what must come out) of every row of the README's tables but those that need another installation."""
    folder, rows = "", []
    for line in (ROOT / "reference_impls" / "README.md").read_text().split("\n"):
        if line.startswith("## "):
            folder = line[3:].strip().rstrip("/")
        elif (row := ROW.match(line)) and folder not in ELSEWHERE:
            rows.append((folder, row[1], row[2]))
    return rows


def test_the_readme_lists_what_is_there():
    there = {(path.parent.name, path.stem) for path in ROOT.glob("reference_impls/*/*") if path.suffix == ".py" or path.is_dir()}
    there = {(folder, name) for folder, name in there if folder not in ELSEWHERE and name != "__pycache__"}
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
