"""`verifier.check` and `verifier replay` hold a candidate to the limits that they are given, under the names of the assignment."""

import re
from pathlib import Path

import pytest

import verifier
from verifier.cli import main
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.errors import RequestError
from verifier.problems.storage import problem_to_bytes

RIGHT = Path(__file__).parents[1] / "reference_impls" / "correct" / "vectorised_rows.py"
CLAIMS = '# activations = ["sigmoid"]\n# losses = ["squared_error"]\n'  # the defaults; under an assignment a candidate may not say them


@pytest.fixture
def slow(tmp_path) -> str:
    """Right code that takes 0.3 s to answer."""
    text = RIGHT.read_text(encoding="utf-8")
    begin = "def backprop(weights, biases, x, y):\n"
    assert text.count(begin) == text.count(CLAIMS) == 1
    file = tmp_path / "slow.py"
    file.write_text(text.replace(CLAIMS, "").replace(begin, f"{begin}    __import__('time').sleep(0.3)\n"), encoding="utf-8")
    return str(file)


@pytest.fixture
def stored(tmp_path) -> str:
    """A stored network that every candidate with the default claims can be asked about."""
    network = Architecture((2, 2, 1), ("sigmoid", "sigmoid"), "squared_error", 2)
    file = tmp_path / "problem.safetensors"
    file.write_bytes(problem_to_bytes(draw_problem(network, Recipe(), Claims(), seed=1, index=1)))
    return str(file)


def test_a_limit_given_to_check_ends_the_candidate_and_is_named(slow):
    report = verifier.check(slow, profile="quick", only=["autograd"], limits={"wall_seconds": 0.1})
    assert report.verdict == "error"
    assert "did not answer within 0.1 s (wall limit)" in report.summary


def test_a_limit_given_to_check_goes_before_the_assignment(slow, tmp_path):
    task = tmp_path / "task.toml"
    task.write_text("[limits]\nall_wall_seconds = 0.1\n")
    told = verifier.check(slow, profile="quick", only=["autograd"], assignment=task).summary
    assert "more than 0.1 s for all its answers (wall limit)" in told
    limits = {"all_wall_seconds": 0.5, "memory": "1 GiB"}
    told = verifier.check(slow, profile="quick", only=["autograd"], assignment=task, limits=limits).summary
    assert "more than 0.5 s for all its answers (wall limit)" in told


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"wall_second": 5}, 'the limit "wall_second" is not known. Did you mean "wall_seconds"?'),
        ({"speed": 5}, 'the limit "speed" is not known. Known are all_cpu_seconds, all_wall_seconds, '),
        ({"memory": "1 GB"}, 'the limit "memory" is the string "1 GB"; it takes bytes, or a string as "512 MiB", of at least '),
        ({"wall_seconds": "5"}, 'the limit "wall_seconds" is the string "5"; it takes seconds above 0.'),
        ({"threads": True}, 'the limit "threads" is true; it takes '),
        ({5: 5}, 'the limit "5" is not known.'),
    ],
)
def test_a_limit_that_is_none_is_refused_in_one_sentence(limits, message):
    with pytest.raises(RequestError, match=re.escape(message)) as caught:
        verifier.check(RIGHT, limits=limits)
    assert "\n" not in str(caught.value)


def test_replay_holds_the_candidate_to_its_limits(slow, stored, capsys):
    assert main(["replay", stored, slow, "--limit", "wall_seconds=0.1"]) == 1
    assert "did not answer within 0.1 s (wall limit)" in " ".join(capsys.readouterr().out.split())
    assert main(["replay", stored, str(RIGHT), "--limit", "wall_seconds=5"]) == 0


def test_replay_takes_claims_and_limits_from_an_assignment(slow, stored, tmp_path, capsys):
    task = tmp_path / "task.toml"
    task.write_text("[limits]\nwall_seconds = 0.1\n")
    assert main(["replay", stored, slow, "--assignment", str(task)]) == 1
    assert "did not answer within 0.1 s (wall limit)" in " ".join(capsys.readouterr().out.split())
    task.write_text('losses = ["half_squared_error"]\n')
    assert main(["replay", stored, slow, "--assignment", str(task)]) == 2
    assert "does not claim: sigmoid with squared_error" in capsys.readouterr().err


def test_a_wrong_limit_of_replay_is_one_line_and_2(stored, capsys):
    assert main(["replay", stored, str(RIGHT), "--limit", "memroy=1"]) == 2
    assert 'the limit "memroy" is not known. Did you mean "memory"?' in capsys.readouterr().err


def test_claims_that_leave_room_for_few_networks_are_noted(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIFIER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("verifier.verification.corpus.CORPUS_BYTES", 0)
    report = verifier.check(RIGHT, profile="quick")
    asked = next(outcome.problems for outcome in report.checks if outcome.id == "forward")
    assert report.verdict == "pass"
    assert 0 < asked < 40
    (note,) = report.notes
    assert note.message == f"The claims fix networks so large that only {asked} of the profile's 40 were asked."


def test_several_candidates_are_judged_side_by_side_and_reported_in_their_order(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.py").write_text(RIGHT.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "task.toml").write_text("")
    paths = [tmp_path / "b.py", tmp_path / "a.py", tmp_path / "empty.py"]
    reports = verifier.check(paths, profile="quick", only=["autograd"], assignment=tmp_path / "task.toml", jobs=2)
    assert [(one.candidate.name, one.verdict) for one in reports] == [("b", "pass"), ("a", "pass"), ("empty", "error")]
    with pytest.raises(RequestError, match="give a list"):
        verifier.check(tmp_path, profile="quick")
