"""A bound for a whole run: whoever comes too late has no verdict, and whoever was judged keeps theirs."""

import json
import time
from pathlib import Path

import pytest

from verifier.cli import main
from verifier.verification.bench import Bench
from verifier.verification.judging import judge

ROOT = Path(__file__).resolve().parents[2]
SLEEPS = ROOT / "tests" / "hostile" / "sleeps_forever.py"
RIGHT = ROOT / "reference_impls" / "correct" / "vectorised_rows.py"
ASKED = {"profile": "quick", "only": ["contract"]}


def test_one_that_sleeps_cannot_hold_the_run_beyond_its_limit():
    began = time.monotonic()
    first, second = judge([str(SLEEPS), str(RIGHT)], **ASKED, run_limit=3, jobs=1)
    assert time.monotonic() - began < 10  # its three answers alone would be waited for 30 s
    for judged, when in ((first, "while it was asked"), (second, "before it was asked")):
        assert judged.cut
        assert (judged.report.verdict, judged.report.reason) == ("inconclusive", "not-judged")
        assert judged.report.summary == f"Not judged: the 3 s of the whole run (--run-limit) were over {when}."
        assert judged.report.score.points == 0


def test_without_the_limit_it_would(monkeypatch):
    monkeypatch.setattr(Bench, "_seconds_left", lambda bench: float("inf"))
    (judged,) = judge([str(SLEEPS)], **ASKED, run_limit=1, jobs=1, limits={"wall_seconds": 1})
    assert not judged.cut
    assert "did not answer within 1 s" in judged.report.summary


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_same_command_goes_on_where_the_limit_ended_it(jobs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.py").write_text((SLEEPS if name in "ab" else RIGHT).read_text())
    command = ["check", "a.py", "b.py", "c.py", "d.py", "--profile", "quick", "--only", "contract", "--limit", "wall_seconds=1"]
    assert main([*command, "--run-limit", "2", "--jobs", jobs]) == 3
    assert "not judged within --run-limit: the same command with --resume continues." in " ".join(capsys.readouterr().out.split())
    assert main([*command, "--resume"]) == 1
    verdicts = [json.loads((tmp_path / "reports" / name / "report.json").read_text())["verdict"] for name in ("a", "b", "c", "d")]
    assert verdicts == ["error", "error", "pass", "pass"]
    assert not (tmp_path / "reports" / ".journal").exists()
