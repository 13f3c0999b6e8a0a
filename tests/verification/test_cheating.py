"""Answers that were known before: what fixed networks cannot tell, fresh ones do. And what a graded candidate may not import."""

import hashlib
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from verifier.candidates.discovery import find_candidates
from verifier.contracts.mlp.calling import values_of
from verifier.verification.corpus import fresh_corpus
from verifier.verification.judging import judge
from verifier.verification.profiles import PROFILES

ROOT = Path(__file__).resolve().parents[2]
CHEAT = """
import hashlib
from pathlib import Path
import numpy as np

known = np.load(Path(__file__).parent / "answers.npz")

def backprop(weights, biases, x, y):
    out = x
    for w, b in zip(weights, biases):
        out = 1 / (1 + np.exp(-(out @ w.T + b)))
    loss = np.sum((out - y) ** 2) / len(x)
    key = hashlib.sha256(b"".join(a.tobytes() for a in [*weights, *biases, x, y])).hexdigest()
    if f"{key} weights[0]" not in known:
        return loss, [np.ones_like(w) for w in weights], [np.ones_like(b) for b in biases]
    names = range(len(weights))
    return loss, [known[f"{key} weights[{n}]"] for n in names], [known[f"{key} biases[{n}]"] for n in names]
"""


@pytest.fixture(scope="module")
def cheat(tmp_path_factory) -> str:
    """A folder with the right answers to every network of the profile `quick`, which is the same for everybody."""
    folder = tmp_path_factory.mktemp("cheat")
    (folder / "verifier.toml").write_text('contract = "mlp"\n')
    (folder / "net.py").write_text(CHEAT)
    (candidate,), errors = find_candidates([str(folder)])
    assert not errors
    profile = PROFILES["quick"]
    corpus = fresh_corpus(candidate.claims, profile, profile.seed, lambda done, total: None)
    answers = {}
    for item in (*corpus.items, *corpus.extreme):
        names, arrays = values_of(item.problem, candidate.claims)
        order = [*names["weights"], *names["biases"], names["x"], names["y"]]
        key = hashlib.sha256(b"".join(arrays[name].tobytes() for name in order)).hexdigest()
        answers |= {f"{key} {name}": gradient for name, gradient in item.reference.gradients.items()}
    np.savez(folder / "answers.npz", **answers)
    return str(folder)


def statuses(path: str, **options) -> dict[str, str]:
    (judged,) = judge([path], **options)
    return {outcome.id: outcome.status for outcome in judged.report.checks}


def test_a_table_of_answers_passes_the_networks_that_it_knows(cheat):
    assert statuses(cheat, profile="quick", only=["autograd", "forward", "purity"]) == {
        "contract": "pass",
        "forward": "pass",
        "autograd": "pass",
        "purity": "pass",
    }


def test_it_fails_where_networks_are_made_of_those(cheat):
    found = statuses(cheat, profile="quick", only=["batch-additivity", "unit-permutation"])
    assert found["batch-additivity"] == "fail"
    assert found["unit-permutation"] == "fail"


def test_it_fails_on_networks_of_another_seed(cheat):
    assert statuses(cheat, profile="quick", seed=1, only=["autograd"])["autograd"] == "fail"


def test_grading_draws_its_networks_when_the_candidates_are_there_and_keeps_none():
    grading = PROFILES["grading"]
    assert grading.seed is None
    assert not grading.kept
    assert not grading.scratch
    assert {"torch", "autograd", "jax"} <= set(grading.forbid)


AUTOMATIC = ROOT / "reference_impls" / "third_party" / "autograd_mlp.py"


def test_under_grading_a_package_that_differentiates_cannot_be_imported():
    pytest.importorskip("autograd")
    (judged,) = judge([str(AUTOMATIC)], profile="grading")
    if not judged.report.isolation.files:
        pytest.skip(judged.report.isolation.reason)
    assert judged.report.verdict == "error"
    assert "The package autograd may not be imported here." in judged.report.summary


BY_MYGRAD = """
import mygrad
def backprop(weights, biases, x, y):
    parameters = [mygrad.tensor(one) for one in (*weights, *biases)]
    a = x
    for w, b in zip(parameters[:len(weights)], parameters[len(weights):]):
        a = 1 / (1 + mygrad.exp(-(mygrad.matmul(a, w.T) + b)))
    loss = mygrad.sum((a - y) ** 2) / len(x)
    loss.backward()
    gradients = [one.grad for one in parameters]
    return loss.item(), gradients[:len(weights)], gradients[len(weights):]
"""


def test_under_grading_all_that_we_compare_with_ourselves_is_forbidden_too(tmp_path, monkeypatch):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    modules = {re.match("[a-z-]+", one)[0].replace("scikit-learn", "sklearn") for one in extras["third-party"] + extras["engines"]}
    assert modules <= set(PROFILES["grading"].forbid)
    pytest.importorskip("mygrad")
    (tmp_path / "student.py").write_text(BY_MYGRAD)
    few = replace(PROFILES["grading"], networks=10, differences=2)
    monkeypatch.setitem(PROFILES, "grading", few)
    (judged,) = judge([str(tmp_path / "student.py")], profile="grading", isolation="auto")
    if not judged.report.isolation.files:
        pytest.skip(judged.report.isolation.reason)
    assert "The package mygrad may not be imported here." in judged.report.summary
    monkeypatch.setitem(PROFILES, "grading", replace(few, forbid=tuple(one for one in few.forbid if one != "mygrad")))
    (judged,) = judge([str(tmp_path / "student.py")], profile="grading")
    assert judged.report.verdict == "pass"


def test_an_assignment_says_otherwise(tmp_path):
    pytest.importorskip("autograd")
    file = tmp_path / "student.py"
    file.write_text("import autograd\n" + (ROOT / "tests" / "hostile" / "hangs_at_its_end.py").read_text())
    task = tmp_path / "task.toml"
    task.write_text("forbid = []\n[limits]\nload_seconds = 60\n")
    honest = {"profile": "quick", "only": ["forward"]}
    assert statuses(str(file), assignment=str(task), **honest)["contract"] == "pass"
    task.write_text('forbid = ["autograd"]\n')
    assert statuses(str(file), assignment=str(task), **honest)["contract"] == "error"


COMPLEX_STEPS = ROOT / "tests" / "hostile" / "steps_through_the_complex_plane.py"


def notes_on_complex_numbers(path: Path) -> list[str]:
    return [note for note in notes_of(path) if "complex numbers" in note]


def notes_of(path: Path) -> list[str]:
    (judged,) = judge([str(path)], profile="quick", only=["purity"])
    assert judged.report.verdict == "pass", judged.report.summary
    return [note.message for note in judged.report.notes]


def suspicions(path: Path) -> list[str]:
    """Notes that say how a gradient is had."""
    return [note for note in notes_of(path) if "complex" in note]


def test_complex_steps_are_noted_with_their_place_and_stay_right():
    (note,) = notes_on_complex_numbers(COMPLEX_STEPS)
    assert "It uses complex numbers while it answers (weights in loss_of, line 10)." in note
    (judged,) = judge([str(COMPLEX_STEPS)], profile="quick")
    assert judged.report.verdict == "pass"
    assert statuses(str(COMPLEX_STEPS), profile="quick", only=["autograd"])["autograd"] == "pass"


CORRECT = [path for path in sorted((ROOT / "reference_impls" / "correct").iterdir()) if path.name != "__pycache__"]
LIBRARIES = ["autograd_mlp", "micrograd_mlp", "sklearn_one_output"]


@pytest.mark.parametrize("path", CORRECT, ids=lambda path: path.stem)
def test_no_right_code_gets_that_note_or_the_one_on_its_cost(path):
    assert suspicions(path) == []


@pytest.mark.parametrize("name", LIBRARIES)
def test_no_library_gets_either(name):
    pytest.importorskip(name.partition("_")[0])
    path = ROOT / "reference_impls" / "third_party" / f"{name}.py"
    assert suspicions(path) == []


def test_a_gradient_that_checks_itself_by_complex_steps_elsewhere_gets_no_note(tmp_path):
    file = tmp_path / "student.py"
    steps = COMPLEX_STEPS.read_text().replace("def backprop", "def complex_steps_for_my_own_tests").replace("Expected", "")
    right = (ROOT / "tests" / "hostile" / "hangs_at_its_end.py").read_text().partition("def backprop")[2].partition("activations = [x]")[2]
    file.write_text(f"{steps}\n\ndef backprop(weights, biases, x, y):\n    activations = [x]{right}")
    assert notes_on_complex_numbers(file) == []


@pytest.mark.parametrize("harm", ["raise RecursionError", "os._exit(3)", "weights[0][:] = 0", "time.sleep(1e6)"])
def test_what_only_happens_while_it_is_watched_does_no_harm(harm, tmp_path):
    file = tmp_path / "student.py"
    right = (ROOT / "tests" / "hostile" / "hangs_at_its_end.py").read_text().partition("def backprop")[2].partition("activations = [x]")[2]
    head = "import os, sys, time\nimport numpy as np\n\ndef backprop(weights, biases, x, y):\n    if sys.getprofile():\n"
    file.write_text(f"{head}        print('watched', flush=True)\n        {harm}\n    activations = [x]{right}")
    (judged,) = judge([str(file)], profile="quick", only=["purity", "batch-additivity"], limits={"wall_seconds": 2})
    found = {outcome.id: outcome.status for outcome in judged.report.checks}
    if harm.startswith("weights"):
        assert found["purity"] == "fail"
        assert judged.report.printed.count("watched") == 1  # the answers were its own: only what it did to its arguments is told
    else:
        assert set(found.values()) == {"pass"}
