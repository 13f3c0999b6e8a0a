"""Only what is new is judged, and a forged folder is no grade."""

import json
import shutil
from pathlib import Path
from unittest.mock import ANY

import pytest

from verifier.cli import main
from verifier.verification import keeping

ROOT = Path(__file__).parents[2]
RIGHT = (ROOT / "reference_impls/correct/vectorised_rows.py").read_text()
WRONG = "def backprop(weights, biases, x, y):\n    raise ValueError('not yet')\n"


@pytest.fixture
def course(tmp_path, monkeypatch):
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions" / "ada.py").write_text(RIGHT)
    (tmp_path / "submissions" / "bob.py").write_text(WRONG)
    (tmp_path / "task.toml").write_text('activations = ["sigmoid"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def judge(capsys, *options):
    main(["check", "submissions", "--assignment", "task.toml", "--profile", "quick", "--only", "contract", *options])
    return capsys.readouterr().out


def report(name):
    return json.loads(Path("reports", name, "report.json").read_text())


def touched(name):
    return Path("reports", name, "report.json").stat().st_mtime_ns


def test_what_has_not_changed_keeps_its_report_and_the_late_one_gets_the_cohorts_seed(course, capsys):
    judge(capsys, "--seed", "7")
    before = touched("ada")
    (course / "submissions" / "cleo.py").write_text(RIGHT)
    (course / "submissions" / "bob.py").write_text(RIGHT)
    shown = judge(capsys, "--seed", "7")
    assert "1 of 3 have not changed" in shown
    assert touched("ada") == before
    assert report("bob")["verdict"] != "error"
    assert {report(name)["seed"] for name in ("ada", "bob", "cleo")} == {7}


def test_another_assignment_profile_or_fresh_judges_again(course, capsys):
    judge(capsys)
    assert "have not changed" not in judge(capsys, "--fresh")
    assert "have not changed" in judge(capsys)
    assert "have not changed" not in judge(capsys, "--limit", "wall_seconds=4")
    (course / "task.toml").write_text('activations = ["sigmoid"]\nmessage = "Week 3."\n')
    assert "have not changed" not in judge(capsys)


def test_the_same_files_at_another_place_are_judged_again(course, capsys):
    judge(capsys)
    assert report("ada")["candidate"]["path"] == "submissions/ada.py"
    (course / "submissions").rename(course / "autumn")
    main(["check", "autumn", "--assignment", "task.toml", "--profile", "quick", "--only", "contract"])
    assert "have not changed" not in capsys.readouterr().out
    assert report("ada")["candidate"]["path"] == "autumn/ada.py"


def test_other_versions_judge_again(course, capsys, monkeypatch):
    judge(capsys)
    assert "have not changed" in judge(capsys)
    monkeypatch.setattr(keeping, "environment", lambda: {"numpy": "1.0"})
    assert "have not changed" not in judge(capsys)


def test_a_forged_report_is_no_grade(course, capsys):
    judge(capsys)
    forged = report("bob") | {"verdict": "pass", "score": {"points": 100.0, "of": 100.0, "parts": []}}
    Path("reports/bob/report.json").write_text(json.dumps(forged))
    assert "1 of 2 have not changed" in judge(capsys)
    assert report("bob")["verdict"] == "error"
    # Nor is that of another submission under its own seal.
    shutil.rmtree("reports/bob")
    shutil.copytree("reports/ada", "reports/bob")
    judge(capsys)
    assert report("bob")["verdict"] == "error"


def test_where_its_files_are_not_looked_at_a_forged_report_is_the_grade(course, capsys, monkeypatch):
    judge(capsys)
    forged = report("bob") | {"verdict": "pass", "score": {"points": 100.0, "of": 100.0, "parts": []}}
    Path("reports/bob/report.json").write_text(json.dumps(forged))
    monkeypatch.setattr(keeping, "_digests_of", lambda folder: ANY)
    assert "2 of 2 have not changed" in judge(capsys)
    assert report("bob")["verdict"] == "pass"


def test_without_an_assignment_everything_is_judged(course, capsys):
    for _ in range(2):
        main(["check", "submissions", "--profile", "quick", "--only", "contract"])
        assert "have not changed" not in capsys.readouterr().out
