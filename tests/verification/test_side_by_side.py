"""Candidates judged side by side: the same reports, in order; one that sleeps or kills its judge costs the others nothing."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from verifier.candidates.assignment import Assignment
from verifier.candidates.limits import Limits
from verifier.candidates.submissions import find_submissions
from verifier.errors import HarnessError
from verifier.verification.bench import Setting
from verifier.verification.grading import Grading
from verifier.verification.judging import judge
from verifier.verification.profiles import PROFILES
from verifier.verification.record import Judged, Request
from verifier.verification.side_by_side import SideBySide

ROOT = Path(__file__).parents[2]
RIGHT = (ROOT / "reference_impls/correct/vectorised_rows.py").read_text()
WRONG = (ROOT / "reference_impls/faulty/sign.py").read_text()


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "submissions"
    place.mkdir()
    for name, text in {"a": RIGHT, "b": WRONG, "c": "", "d": RIGHT}.items():
        (place / f"{name}.py").write_text(text)
    (tmp_path / "task.toml").write_text('activations = ["sigmoid"]\n')
    return place


def judged(folder, jobs):
    answers = list(judge([str(folder)], profile="quick", only=["contract"], assignment=str(folder.parent / "task.toml"), jobs=jobs))
    assert all(isinstance(answer, Judged) for answer in answers)
    return sorted(answers, key=lambda answer: answer.position)


def test_they_are_the_same_reports_in_the_same_order(folder):
    alone, together = judged(folder, 1), judged(folder, 2)
    assert [one.report.candidate.name for one in together] == ["a", "b", "c", "d"]
    assert [structs.replace(one.report, timings={}) for one in alone] == [structs.replace(one.report, timings={}) for one in together]
    assert [one.counterexample for one in alone] == [one.counterexample for one in together]


def test_one_that_sleeps_does_not_hold_the_others(folder):
    (folder / "a.py").write_text("import time\ntime.sleep(3600)\n")
    answers = judge(
        [str(folder)], profile="quick", only=["contract"], assignment=str(folder.parent / "task.toml"), jobs=2, limits={"load_seconds": 300}
    )
    assert next(answers).report.candidate.name != "a"
    answers.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="what a process uses is not to be read here")
def test_another_is_judged_in_the_stead_of_one_that_sleeps(folder):
    (folder / "a.py").write_text("import time\ntime.sleep(3600)\n")
    candidates = find_submissions([str(folder)], Assignment(str(folder.parent / "task.toml")))
    setting = Setting(Request(PROFILES["quick"], 0, ("contract",)), replace(Limits(), load_seconds=300), "auto", Grading())
    with SideBySide(setting, 1) as children:
        answers = children.judge(candidates, lambda candidate, outcome: None)
        assert {next(answers)[0] for _ in "bcd"} == {1, 2, 3}
        assert len(children._children) == 2
        answers.close()


def test_a_judge_that_dies_costs_its_candidate_alone(folder):
    candidates = find_submissions([str(folder)], Assignment(str(folder.parent / "task.toml")))
    setting = Setting(Request(PROFILES["quick"], 0, ("contract",)), Limits(), "auto", Grading())
    killed: list[int] = []
    with SideBySide(setting, 1) as children:

        def kill(*_):
            if not killed:
                killed.append(children._children[0].process.pid)
                os.kill(killed[0], signal.SIGKILL)

        found = dict(children.judge(candidates, kill))
    assert [isinstance(found[position], HarnessError) for position in range(4)].count(True) == 1
    assert len(found) == 4


def test_nothing_survives(folder):
    candidates = find_submissions([str(folder)], Assignment(str(folder.parent / "task.toml")))
    setting = Setting(Request(PROFILES["quick"], 0, ("contract",)), replace(Limits(), load_seconds=60), "auto", Grading())
    (folder / "a.py").write_text("import time\ntime.sleep(3600)\n")
    began = time.monotonic()
    with SideBySide(setting, 2) as children:
        next(children.judge(candidates, lambda candidate, outcome: None))
        pids = [child.process.pid for child in children._children]
    assert time.monotonic() - began < 50
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
