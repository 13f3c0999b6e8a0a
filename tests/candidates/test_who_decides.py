"""Who decides how a submission is judged: whoever judges, never a file that lies where the submission lies.

Each attack is also run with its defence switched off, and then succeeds: else it would show nothing.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from verifier.candidates.discovery import find_candidates
from verifier.candidates.own_files import digest_of
from verifier.cli import check, main
from verifier.results.report import to_json
from verifier.verification.judging import judge
from verifier.verification.record import Judged

OPENS_A_FILE = """
import os
os.open(os.path.join(os.path.dirname(__file__), "ran_outside_the_sandbox"), os.O_CREAT)
def backprop(weights, biases, x, y):
    return 0.0, [0 * w for w in weights], [0 * b for b in biases]
"""
TAKES_OVER = '[tool.verifier]\nisolation = "off"\nonly = ["contract"]\nseed = 0\n'


@pytest.fixture
def submission(tmp_path, monkeypatch) -> Path:
    """A folder whose project file would have its code run unconfined, and the teacher's files beside it; the command runs in the folder."""
    folder = tmp_path / "alice"
    folder.mkdir()
    (folder / "network.py").write_text(OPENS_A_FILE)
    (folder / "pyproject.toml").write_text(TAKES_OVER)
    (tmp_path / "assignment.toml").write_text('activations = ["sigmoid"]\n')
    monkeypatch.chdir(folder)
    return folder


def broke_out(folder: Path) -> bool:
    return (folder / "ran_outside_the_sandbox").exists()


@pytest.mark.parametrize("options", [["--profile", "grading"], ["--assignment", "../assignment.toml", "--profile=quick"]])
def test_a_submissions_project_file_decides_nothing(options, submission, capsys):
    assert main(["check", "network.py", *options]) == 1
    assert not broke_out(submission)
    assert "pyproject.toml is not read under an assignment or --profile grading" in capsys.readouterr().err


def test_it_would_decide_where_it_is_named(submission, capsys):
    main(["check", "network.py", "--profile", "grading", "--assignment", "../assignment.toml", "--config", "pyproject.toml"])
    assert broke_out(submission)
    assert "From pyproject.toml: isolation = off, only = contract, seed = 0." in capsys.readouterr().err


def test_one_beside_or_below_a_candidate_is_never_read(submission, monkeypatch, capsys):
    monkeypatch.chdir(submission.parent)
    for path in ("alice/network.py", "alice"):
        assert main(["check", path, "--profile", "quick"]) == 1
        assert not broke_out(submission)
        assert "From " not in capsys.readouterr().err


@pytest.mark.parametrize("table", ['profile = "grading"', 'assignment = "a.toml"'])
def test_a_project_file_that_was_found_cannot_ask_for_what_grades(table, submission, capsys):
    (submission / "pyproject.toml").write_text(f"[tool.verifier]\n{table}\n")
    assert main(["check", "network.py"]) == 2
    assert "say --config FILE" in capsys.readouterr().err


def test_it_can_where_it_is_named(submission, capsys):
    (submission / "pyproject.toml").write_text('[tool.verifier]\nprofile = "grading"\n')
    assert main(["check", "network.py", "--config", "pyproject.toml"]) == 1
    assert "From pyproject.toml: profile = grading." in capsys.readouterr().err


def test_the_command_line_goes_before_the_file_and_is_not_laid_at_its_door(submission, capsys):
    (submission / "pyproject.toml").write_text('[tool.verifier]\nprofile = "quick"\nonly = ["contract"]\nseed = 1\n')
    main(["check", "network.py", "--seed", "2"])
    assert "From pyproject.toml: profile = quick, only = contract." in capsys.readouterr().err


def test_where_that_is_not_told_nobody_sees_whose_options_they_are(submission, monkeypatch, capsys):
    def shown(options: list[str]) -> str:
        main(["check", "network.py", *options])
        return re.sub(r"[\d.]+ s\b", "", "".join(capsys.readouterr()))

    (submission / "pyproject.toml").write_text('[tool.verifier]\nprofile = "quick"\nonly = ["contract"]\nseed = 1\n')
    told = shown([])
    monkeypatch.setattr(check, "say", lambda message: None)
    from_the_file = shown([])
    (submission / "pyproject.toml").unlink()
    assert from_the_file == shown(["--profile", "quick", "--only", "contract", "--seed", "1"]) != told


MODULES = ("click", "platformdirs", "typing", "msgspec", "safetensors", "numpy", "torch", "hypothesis", "rich", "secrets")
# pytest itself imports some of these before any plug-in of ours is there.
AFTER_PYTEST = ("click", "msgspec", "safetensors", "numpy", "torch", "hypothesis", "secrets")


def run_among(modules: tuple[str, ...], folder: Path, *words: str) -> str:
    """What taking over says, where one of these modules in the working folder is imported by a process that judges there."""
    for name in modules:
        (folder / f"{name}.py").write_text("import os\nos.write(1, b'taken over')\nos._exit(0)\n")
    environment = {**os.environ, "PYTHONPATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([sys.executable, "-B", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        (MODULES, ("-m", "verifier", "check", "network.py", "--profile", "quick", "--only", "autograd")),
        (
            AFTER_PYTEST,
            ("-m", "pytest", "-p", "verifier.pytest_plugin", "--verify", "network.py", "--verify-profile", "quick", "-k", "contract"),
        ),
    ],
    ids=["verifier", "pytest"],
)
def test_no_module_of_the_working_folder_is_imported_into_the_referee(modules, words, submission):
    (submission / "pyproject.toml").unlink()
    printed = run_among(modules, submission, *words)
    assert "taken over" not in printed
    assert "network" in printed  # it was judged


@pytest.mark.parametrize("module", ["click", "typing"])
def test_one_that_is_looked_for_there_does_take_over(module, submission):
    command = "import sys; sys.path.insert(0, ''); sys.modules.pop('typing', None); import verifier.__main__ as m; m.run()"
    assert run_among((module,), submission, "-c", command, "--version") == "taken over"


ZEROS = "def backprop(weights, biases, x, y):\n    return 0.0, [0 * w for w in weights], [0 * b for b in biases]\n"


@pytest.fixture
def forged(tmp_path, monkeypatch):
    """Run the command on zeros; then leave behind what a candidate that reads the key can: a journal and a report in which it passed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERIFIER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "zeros.py").write_text(ZEROS)
    (tmp_path / "assignment.toml").write_text('activations = ["sigmoid"]\n')
    options = ["check", "zeros.py", "--assignment", "assignment.toml", "--profile", "quick", "--only", "autograd", "--isolation"]

    def forge(isolation: str) -> list[str]:
        asked: list = []
        real_journal, real_reports = check.kept_journal, check.earlier_reports
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(check, "kept_journal", lambda *given: asked.append(given) or real_journal(*given))
            assert main([*options, isolation]) == 1
        (candidate,), _ = find_candidates(["zeros.py"])
        directory, candidates, question, _ = asked[0]
        passed = msgspec.structs.replace(next(judge(["zeros.py"], profile="quick", only=["contract"])).report, verdict="pass", summary="")
        with real_journal(directory, candidates, question, False) as journal:
            journal.begin(passed.seed)
            journal.add(candidate, Judged(passed, None))
        reports = real_reports(directory, question, False)
        assert reports.finished(candidate, digest_of(candidate.own), passed.seed) is None
        (directory / "zeros" / "report.json").write_bytes(to_json(passed))
        reports.seal(passed, directory / "zeros")
        return [*options, isolation]

    return forge


@pytest.mark.parametrize("more", [["--resume"], []], ids=["journal", "report"])
def test_what_a_candidate_can_have_signed_is_not_believed_where_files_are_not_confined(more, forged, monkeypatch, capsys):
    command = [*forged("off"), *more]
    assert main(command) == 1
    assert ("--resume begins anew" in capsys.readouterr().err) is bool(more)
    command = [*forged("off"), *more]
    monkeypatch.setattr(check, "what_was_kept_is_ours", lambda isolation: True)
    assert main(command) == 0


AFFINE = """
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)
def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)
"""


@pytest.mark.parametrize(
    ("assignment", "left_open"),
    [
        ('contract = "layer"\npreset = "cs231n"\n', "layers"),
        ('contract = "engine"\n', "operations"),
        ('contract = "layer"\n[[layer]]\noperation = ["affine", "relu"]\n', ""),
        ('activations = ["sigmoid"]\n', ""),
    ],
)
def test_an_assignment_that_asks_for_what_is_there_is_warned_of(assignment, left_open, tmp_path, capsys):
    (tmp_path / "task.toml").write_text(assignment)
    check.tell_what_is_left_open(str(tmp_path / "task.toml"))
    told = capsys.readouterr().err
    assert (f"asks for the {left_open} that a submission has" in told) if left_open else told == ""


def test_whoever_leaves_out_what_is_hard_passes_under_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("student.py").write_text(AFFINE)
    Path("task.toml").write_text('contract = "layer"\npreset = "cs231n"\n')
    assert main(["check", "student.py", "--assignment", "task.toml", "--profile", "quick"]) == 0
    assert "whoever leaves one out loses nothing" in capsys.readouterr().err
    Path("task.toml").write_text('contract = "layer"\n[[layer]]\noperation = ["affine", "relu"]\n')
    assert main(["check", "student.py", "--assignment", "task.toml", "--profile", "quick"]) == 1


def test_a_seed_that_is_fixed_for_grading_is_remarked_on(submission, capsys):
    main(["check", "network.py", "--profile", "grading", "--seed", "7", "--only", "contract"])
    assert "whoever knows the seed knows the networks" in capsys.readouterr().err
