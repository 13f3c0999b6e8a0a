"""What `verifier init` writes: it claims what was asked for, fails with a helpful report, and passes once it is filled in."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import verifier
from verifier import plugins
from verifier.candidates.discovery import find_candidates
from verifier.cli import main
from verifier.problems.operations import OPERATIONS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "claimed", "parameters"),
    [
        ((), {}, ["weights", "biases", "x", "y"]),
        (
            ("--activation", "relu", "--activation", "tanh", "--loss", "half_squared_error", "--reduction", "sum"),
            {"activations": ("relu", "tanh"), "losses": ("half_squared_error",), "reduction": "sum"},
            ["weights", "biases", "x", "y", "activations"],
        ),
        (
            ("--output-activation", "softmax", "--loss", "cross_entropy", "--batch", "columns", "--bias", "column"),
            {"output_activations": ("softmax",), "losses": ("cross_entropy",), "batch": "columns", "bias": "column"},
            ["weights", "biases", "x", "y", "activations"],
        ),
        (
            ("--loss", "squared_error", "--loss", "half_squared_error", "--batch", "single", "--bias", "none", "--weight-layout", "in_out"),
            {"batch": "single", "bias": "none", "weight_layout": "in_out"},
            ["weights", "biases", "x", "y", "loss"],
        ),
    ],
)
def test_the_file_claims_what_was_asked_for_and_takes_what_it_will_be_given(options, claimed, parameters, folder):
    assert main(["init", "net.py", *options]) == 0
    (candidate,), errors = find_candidates(["net.py"])
    assert not errors
    assert {key: getattr(candidate.claims, key) for key in claimed} == claimed
    chosen = len(candidate.claims.activations) > 1 or len(candidate.claims.output_activations) > 1
    (function,) = [node for node in ast.parse(Path("net.py").read_text()).body if isinstance(node, ast.FunctionDef)]
    wanted = [name for name in parameters if name != "activations" or chosen]
    assert [argument.arg for argument in function.args.args] == wanted


def test_it_fails_and_says_what_to_do_until_it_is_filled_in(folder):
    main(["init"])
    report = verifier.check("my_network.py", profile="quick")
    assert report.verdict == "error"
    assert "my_network.py, line 31, in backprop: NotImplementedError: fill in backprop: step 1" in report.summary
    filled = (ROOT / "reference_impls" / "correct" / "vectorised_rows.py").read_text().split("\nimport numpy as np\n")[1]
    begun = Path("my_network.py").read_text().split("\ndef backprop")[0]
    Path("my_network.py").write_text(begun + filled)
    assert verifier.check("my_network.py", profile="quick").verdict == "pass"


def test_no_file_is_written_over_unless_that_is_asked_for(folder, capsys):
    Path("net.py").write_text("mine")
    assert main(["init", "net.py"]) == 2
    told = capsys.readouterr().err
    assert "net.py exists already" in told
    assert told.index("verifier check net.py") < told.index("write an adapter in another file") < told.index("--force")
    assert Path("net.py").read_text() == "mine"
    assert main(["init", "net.py", "--force"]) == 0
    assert "def backprop" in Path("net.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--loss", "mse"), '--loss holds "mse"'),
        (("--loss", "cross_entropy"), '"cross_entropy", which needs "softmax"'),
        (("--batch", "sideways"), "--batch"),
        (("net.txt",), "a candidate is a Python file"),
        (("nowhere/net.py",), "cannot write nowhere/net.py"),
        ((".",), ". is a folder; name a file of it"),
    ],
)
def test_a_request_that_makes_no_sense_is_told_in_one_line_and_nothing_is_written(arguments, words, folder, capsys):
    assert main(["init", *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert not list(folder.iterdir())


def test_a_file_for_an_assignment_fits_it(folder, capsys):
    Path("task.toml").write_text('losses = ["half_squared_error"]\nlayers = 2\nentry = "gradients"\nl2 = 0.1\n')
    assert main(["init", "student.py", "--assignment", "task.toml", "--batch", "columns"]) == 0
    text = Path("student.py").read_text()
    assert '# losses = ["half_squared_error"]' in text
    assert "def gradients(" in text
    report = verifier.check("student.py", profile="quick", assignment="task.toml")
    assert (report.verdict, report.reason) == ("error", "not-done")
    assert main(["init", "other.py", "--assignment", "task.toml", "--layers", "3"]) == 2
    assert "task.toml fixes layers" in capsys.readouterr().err


def test_a_file_is_started_for_a_plugged_in_activation_too(folder, monkeypatch):
    swish = replace(OPERATIONS["softplus"], name="swish", summary="z / (1 + e^-z)")
    monkeypatch.setattr(plugins, "plugged_in", lambda group: {"swish": None} if group == plugins.OPERATIONS else {})
    monkeypatch.setattr(plugins, "part_of", lambda group, name, part: {("swish", "operation"): swish}[name, part])
    monkeypatch.setitem(OPERATIONS, "swish", swish)  # it is kept there once it was asked for: put away again after the test
    assert main(["init", "--activation", "swish", "net.py"]) == 0
    assert "#      swish: z / (1 + e^-z)" in (folder / "net.py").read_text(encoding="utf-8")
