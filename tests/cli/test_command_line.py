import importlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from verifier.cli import main
from verifier.results.report import CandidateRecord, Isolation, Report, to_json

REPORT = Report(
    1,
    "fail",
    "weights[0] is half.",
    CandidateRecord("c", "c.py", "mlp", {}),
    "ci",
    7,
    (),
    (),
    (),
    (),
    None,
    Isolation(True, True, True),
    {},
    "",
    {},
)


def verifier(*arguments, **options):
    """The command as a user runs it."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "verifier", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, **options)


def test_help_and_version_end_well(capsys):
    for arguments in (["--help"], ["check", "-h"], ["replay", "-h"], ["list", "-h"], ["report", "-h"], ["compare", "-h"], ["--version"]):
        assert main(arguments) == 0
    assert "verifier " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], "CANDIDATE"),
        (["chekc", "x.py"], "chekc"),
        (["check", "x.py", "--profile", "slow"], "'quick', 'ci', 'thorough', 'grading'"),
        (["check", "x.py", "--seed", "one"], "--seed"),
        (["check", "x.py", "--format", "pdf"], "'json', 'markdown', 'html', 'terminal'"),
        (["check", "x.py", "--prfile", "ci"], "--profile"),
        (["report", "nowhere.json"], "no such report: nowhere.json"),
    ],
)
def test_a_wrong_request_is_one_line_and_2(arguments, words, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.startswith("Error: ")
    assert error.count("\n") == 1


def test_a_stored_report_is_shown_in_every_format(tmp_path, capsys):
    stored = tmp_path / "report.json"
    stored.write_bytes(to_json(REPORT))
    for name, words in (("terminal", "FAIL  c"), ("markdown", "# ❌ FAIL: c"), ("html", "<!DOCTYPE html>"), ("json", '"seed": 7')):
        assert main(["report", str(stored), "--format", name]) == 0
        assert words in capsys.readouterr().out
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "page.txt")]) == 0
    assert "weights[0] is half." in (tmp_path / "page.txt").read_text()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema_version": 1}', b"\xff\xfe", to_json(msgspec.structs.replace(REPORT, schema_version=99))]
)
def test_what_is_not_a_report_is_a_wrong_request(content, tmp_path, capsys):
    (tmp_path / "report.json").write_bytes(content)
    assert main(["report", str(tmp_path / "report.json")]) == 2
    assert "report.json" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_a_wrong_request(tmp_path, capsys):
    (tmp_path / "report.json").write_bytes(to_json(REPORT))
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "no" / "page.txt")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_failure_of_ours(tmp_path):
    (tmp_path / "report.json").write_bytes(to_json(msgspec.structs.replace(REPORT, environment={"x": "y" * 1_000_000})))
    command = f"{sys.executable} -m verifier report {tmp_path} --format json | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


def test_a_terminal_without_unicode_still_gets_the_verdict(tmp_path):
    (tmp_path / "report.json").write_bytes(to_json(REPORT))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "verifier", "report", str(tmp_path), "--format", "markdown"]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60)
    assert done.returncode == 0
    assert b"FAIL: c" in done.stdout


def test_starting_the_command_loads_nothing_heavy():
    program = "import sys, verifier.cli.check, verifier.cli.report; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert not loaded & {"torch", "hypothesis", "matplotlib", "jinja2", "numpy", "rich.console"}


def test_the_profiles_of_the_command_are_those_of_the_run():
    profiles = pytest.importorskip("verifier.verification.profiles")
    assert set(importlib.import_module("verifier.cli.check").PROFILES) == set(profiles.PROFILES)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_changes_no_exit_status(closed, tmp_path):
    (tmp_path / "net.py").write_text("def backprop(*_): return 0\n")
    command = f"{sys.executable} -m verifier check net.py --profile quick --only contract --isolation off {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert (tmp_path / "reports" / "net" / "report.json").is_file()


def test_where_nothing_opens_it_again_a_closed_stdout_makes_a_pass_look_like_a_fail(tmp_path):
    shutil.copy(Path(__file__).parents[2] / "reference_impls" / "correct" / "vectorised_rows.py", tmp_path / "net.py")
    asked = ["check", "net.py", "--profile", "quick", "--only", "contract", "--isolation", "off"]
    switched_off = "import verifier.cli as c; c._open_what_is_closed = lambda: None; from verifier.__main__ import run; run()"
    ends = {}
    for words in (["-m", "verifier"], ["-c", switched_off]):
        command = f"{shlex.join([sys.executable, *words, *asked])} >&-"
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        ends[words[0]] = (done.returncode, "Traceback" in done.stderr)
    assert ends == {"-m": (0, False), "-c": (1, True)}


def test_the_help_has_every_command_once_by_who_wants_it(capsys):
    from verifier.cli import COMMANDS, main

    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [line for line in ("To learn:", "To judge:", "For authors:") if line in shown] == ["To learn:", "To judge:", "For authors:"]
    for name in COMMANDS:
        assert sum(line.startswith(f"  {name} ") for line in shown.splitlines()) == 1


def test_on_windows_one_sentence_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr("sys.platform", "win32")
    assert main(["check", "student.py"]) == 3
    told = capsys.readouterr().err
    assert "WSL" in told
    assert told.count("\n") == 1
