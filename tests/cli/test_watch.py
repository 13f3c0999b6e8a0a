"""`verifier watch` judges again on every save, and shows one screen."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from verifier.cli.watch import runs, show_screen, stamps
from verifier.errors import RequestError
from verifier.results.outcome import Outcome
from verifier.results.report import CandidateRecord, Isolation, Report

ROOT = Path(__file__).parents[2]
RIGHT = (ROOT / "reference_impls" / "correct" / "vectorised_rows.py").read_text()
WRONG = (ROOT / "reference_impls" / "faulty" / "sign.py").read_text()


def test_it_runs_once_and_then_after_every_change_and_only_then():
    looks = iter([1, 1, 1, 2, 2, 2, 3, 3])
    asked, pauses = [], []
    answers = runs(lambda: asked.append("run"), lambda: next(looks), pauses.append)
    next(answers)
    assert (len(asked), len(pauses)) == (1, 0)
    next(answers)
    assert (len(asked), len(pauses)) == (2, 2)
    next(answers)
    assert len(asked) == 3


def test_what_is_saved_while_it_is_judged_is_judged_next():
    saved = [0]

    def run():
        saved[0] += len(looked) < 2

    looked = []
    answers = runs(run, lambda: looked.append(saved[0]) or saved[0], lambda _: pytest.fail("it must not wait"))
    next(answers)
    next(answers)


def test_a_save_of_the_file_a_neighbour_or_the_assignment_is_seen(tmp_path):
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "b.py").write_text("1")
    assignment = tmp_path / "assignment.toml"
    assignment.write_text("")
    alone, folder = stamps(str(tmp_path / "a.py"), str(assignment)), stamps(str(tmp_path))
    (tmp_path / "b.py").write_text("22")
    assert stamps(str(tmp_path / "a.py"), str(assignment)) == alone
    assert stamps(str(tmp_path)) != folder
    assignment.write_text("losses = []")
    assert stamps(str(tmp_path / "a.py"), str(assignment)) != alone


def test_a_file_that_an_editor_is_putting_back_is_no_failure(tmp_path):
    assert stamps(str(tmp_path / "a.py")) == {}


def report(messages):
    checks = tuple(Outcome("autograd", "fail", f"message {index}") for index in range(messages))
    record = CandidateRecord("c", "c.py", "mlp", {})
    return Report(1, "fail", "It is wrong.", record, "quick", 0, checks, (), (), (), None, Isolation(True, True, True), {}, "", {})


@pytest.mark.parametrize("height", [10, 24])
def test_what_is_shown_is_one_screen_and_says_what_is_left_out(height):
    page = io.StringIO()
    console = Console(file=page, force_terminal=True, color_system=None, width=80, height=height)
    show_screen(report(messages=40), 0.5, "c.py", console)
    lines = page.getvalue().removesuffix("\n").split("\n")
    assert len(lines) <= height
    assert "FAIL" in page.getvalue()
    assert "more lines" in lines[-2]
    assert "Watching c.py" in lines[-1]


def test_a_wrong_manifest_is_shown_and_watched_on():
    page = io.StringIO()
    show_screen(RequestError("c.py, line 3: no such key"), 0.1, "c.py", Console(file=page, width=80))
    assert "line 3: no such key" in page.getvalue()


def test_a_student_sees_the_verdict_change_with_the_save(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(WRONG)
    words = [sys.executable, "-u", "-m", "verifier", "watch", "mine.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "80"}
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            first = screen(process)
            assert first.startswith("Judging mine.py …\nFAIL")
            assert "verifier replay" not in first  # nothing is written
            file.write_text(RIGHT)
            assert "PASS" in screen(process)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()  # a command that does not end must not keep the suite waiting


def screen(process):
    """What is printed up to the line that ends a screen."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Watching" in line:
            return "".join(lines)
    raise AssertionError("it ended: " + "".join(lines))
