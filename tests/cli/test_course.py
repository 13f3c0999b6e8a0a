"""A teacher's folder, judged by the command with the real worker: rows, grades, page."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from verifier.cli import main

ROOT = Path(__file__).parents[2]
RIGHT = ROOT / "reference_impls/correct/vectorised_rows.py"
PRINTS_MUCH = """

quiet = backprop


def backprop(weights, biases, x, y):
    print("😀" * 400)
    return quiet(weights, biases, x, y)
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    submissions = tmp_path / "submissions"
    submissions.mkdir()
    shutil.copy(RIGHT, submissions / "李雷.py")
    (submissions / "bob.py").write_text((ROOT / "reference_impls/faulty/bias_not_summed.py").read_text() + PRINTS_MUCH)
    (submissions / "cleo.py").write_text("def back_prop(w, b, x, y): pass\n")
    (submissions / "dan.py").write_text("def backprop(weights, biases, x, y):\n    pass\n")
    (submissions / "eve.ipynb").write_text("{}")
    (tmp_path / "assignment.toml").write_text('activations = ["sigmoid"]\n[score]\npoints = 10\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*options):
    return main(["check", "submissions", "--assignment", "assignment.toml", "--profile", "quick", *options])


def test_five_submissions_are_five_rows_grades_and_pages(course, capsys):
    status = check("--output", "csv=grades.csv", "--output", "html=class.html", "--output", "gradescope=results/")
    assert status == 1
    rows = {row["candidate"]: row for row in csv.DictReader((course / "grades.csv").read_text(encoding="utf-8").splitlines())}
    assert {name: (row["verdict"], row["reason"], float(row["score"])) for name, row in rows.items()} == {
        "李雷": ("pass", "", 10.0),
        "bob": ("fail", "", 8.0),
        "cleo": ("error", "not-judged", 0.0),
        "dan": ("error", "not-done", 0.0),
        "eve": ("error", "not-judged", 0.0),
    }
    assert "it has back_prop" in rows["cleo"]["message"]
    assert rows["bob"]["mistake"] == "bias-not-summed"
    for name, row in rows.items():
        report = json.loads((course / "reports" / name / "report.json").read_text())
        assert report["score"]["points"] == float(row["score"])
        assert json.loads((course / "results" / f"{name}.json").read_text())["score"] == float(row["score"])
        assert sum(file.stat().st_size for file in (course / "reports" / name).iterdir()) <= 200_000
    page = (course / "class.html").read_text(encoding="utf-8")
    assert 'href="./reports/bob/report.html"' in page
    shown = capsys.readouterr().out
    assert "1 pass, 1 fail, 1 not done, 2 not judged" in shown
    again = (course / "reports" / "bob" / "report.md").read_text()
    assert "--assignment assignment.toml" in again


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("json=all.json", "name a folder"),
        ("csv=nowhere/grades.csv", "there is no folder"),
        ("gradescope=assignment.toml/", "there is a file of that name"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_judged(output, words, course, capsys):
    assert check("--output", output) == 2
    assert words in capsys.readouterr().err
    assert not (course / "reports").exists() or not list((course / "reports").glob("*/report.json"))


def test_stored_reports_make_the_same_page_and_a_grade_each(course, capsys):
    check()
    assert main(["report", "reports", "--format", "html", "-o", "class.html"]) == 0
    assert 'href="./reports/bob/report.html"' in (course / "class.html").read_text(encoding="utf-8")
    assert main(["report", "reports", "--format", "gradescope", "-o", "results/"]) == 0
    assert len(list((course / "results").glob("*.json"))) == 5
