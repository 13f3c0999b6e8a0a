"""Who decides how a submission is judged: whoever judges, never a file that lies where the submission lies.

Each attack is also run with its defence switched off, and then succeeds: else it would show nothing.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from verifier.cli import main

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


def test_the_command_line_goes_before_the_file_and_is_not_laid_at_its_door(submission, capsys):
    (submission / "pyproject.toml").write_text('[tool.verifier]\nprofile = "quick"\nonly = ["contract"]\nseed = 1\n')
    main(["check", "network.py", "--seed", "2"])
    assert "From pyproject.toml: profile = quick, only = contract." in capsys.readouterr().err


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


def test_a_seed_that_is_fixed_for_grading_is_remarked_on(submission, capsys):
    main(["check", "network.py", "--profile", "grading", "--seed", "7", "--only", "contract"])
    assert "whoever knows the seed knows the networks" in capsys.readouterr().err
