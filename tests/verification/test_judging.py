"""Requests over several candidates, replays, and what is wrong with a request."""

from pathlib import Path

import pytest

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.errors import RequestError
from verifier.problems.storage import problem_to_bytes
from verifier.verification.judging import judge, replay
from verifier.verification.record import Judged

REFERENCES = Path(__file__).parents[2] / "reference_impls"
RIGHT, WRONG = str(REFERENCES / "correct" / "vectorised_rows.py"), str(REFERENCES / "faulty" / "bias_averaged.py")


def test_candidates_are_judged_in_order_and_a_wrong_request_does_not_stop_the_others(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text('# /// script\n# [tool.verifier]\n# activation = ["relu"]\n# ///\n')
    found = list(judge([RIGHT, str(broken), WRONG], profile="quick", only=("autograd",)))
    errors = [one for one in found if isinstance(one, RequestError)]
    verdicts = [one.report.verdict for one in found if isinstance(one, Judged)]
    assert verdicts == ["pass", "fail"]
    assert len(errors) == 1 and "activations" in str(errors[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": "slow"}, "there is no profile 'slow'; there are quick, ci, thorough, grading"),
        ({"only": ("autograd", "autgrad")}, "there is no check 'autgrad'"),
        ({"assignment": "nowhere.toml"}, "nowhere.toml"),
    ],
)
def test_a_wrong_option_is_refused_in_words(options, words):
    with pytest.raises(RequestError, match="no") as caught:
        list(judge([RIGHT], **options))
    assert words in str(caught.value)


def test_a_report_repeats_the_options_that_it_was_made_with(tmp_path):
    relu = "def relu_forward(x):\n    return x * (x > 0), x\n\n\ndef relu_backward(dout, cache):\n    return dout * (cache > 0)\n"
    (tmp_path / "layers.py").write_text(relu)
    (found,) = judge([str(tmp_path / "layers.py")], profile="quick", only=("contract",), preset="cs231n", limits={"wall_seconds": 4})
    assert found.report.options == ("--only", "contract", "--preset", "cs231n", "--limit", "wall_seconds=4")


def test_an_assignment_says_its_preset_itself(tmp_path):
    (tmp_path / "task.toml").write_text('contract = "layer"\npreset = "cs231n"\n')
    with pytest.raises(RequestError, match="an assignment says this itself"):
        next(judge([RIGHT], assignment=str(tmp_path / "task.toml"), preset="cs231n"))


def test_a_file_that_is_not_there_comes_back_as_its_error():
    (error,) = judge(["nowhere/student.py"], profile="quick")
    assert isinstance(error, RequestError) and "nowhere/student.py" in str(error)


def test_nothing_is_judged_where_nothing_is_asked():
    assert list(judge([], profile="quick")) == []


@pytest.fixture
def counterexample(tmp_path) -> str:
    (found,) = judge([WRONG], profile="quick")
    file = tmp_path / "counterexample.safetensors"
    file.write_bytes(found.counterexample)
    return str(file)


def test_a_counterexample_replays_against_the_wrong_code_and_the_right(counterexample):
    wrong, right = replay(counterexample, WRONG).report, replay(counterexample, RIGHT).report
    assert (wrong.verdict, right.verdict) == ("fail", "pass"), right.summary
    assert wrong.profile == "replay"
    assert "autograd" in {outcome.id for outcome in wrong.checks if outcome.status == "fail"}


def stored(tmp_path: Path, claims: Claims, network: Architecture) -> str:
    file = tmp_path / "problem.safetensors"
    file.write_bytes(problem_to_bytes(draw_problem(network, Recipe(), claims, seed=1, index=1)))
    return str(file)


SIGMOID = ("sigmoid", "sigmoid")
SINGLE = str(REFERENCES / "correct" / "single_sample.py")


@pytest.mark.parametrize(
    ("claims", "network", "candidate", "words"),
    [
        (Claims(activations=("tanh",)), Architecture((2, 2, 1), ("tanh", "tanh"), "squared_error", 2), RIGHT, "does not claim: tanh"),
        (Claims(losses=("half_squared_error",)), Architecture((2, 1), ("sigmoid",), "half_squared_error", 2), RIGHT, "half_squared_error"),
        (Claims(), Architecture((2, 2, 1), SIGMOID, "squared_error", 2), SINGLE, "does not claim"),
        (Claims(bias="none"), Architecture((2, 2, 1), SIGMOID, "squared_error", 2), RIGHT, "biases[0]"),
    ],
)
def test_a_stored_network_that_a_candidate_does_not_claim_is_refused(claims, network, candidate, words, tmp_path):
    with pytest.raises(RequestError) as caught:
        replay(stored(tmp_path, claims, network), candidate)
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a problem", b"\x00" * 400])
def test_a_file_that_is_no_problem_is_refused_by_its_name(content, tmp_path):
    file = tmp_path / "counterexample.safetensors"
    file.write_bytes(content)
    with pytest.raises(RequestError, match=r"counterexample\.safetensors: this is not a stored problem"):
        replay(str(file), RIGHT)
    with pytest.raises(RequestError, match="cannot be read"):
        replay(str(tmp_path / "nowhere"), RIGHT)


def test_the_corpus_of_some_claims_serves_every_candidate_that_makes_them(tmp_path):
    other = tmp_path / "other.py"
    other.write_text(Path(RIGHT).read_text(encoding="utf-8").replace("delta.sum(axis=0)", "delta.mean(axis=0)"), encoding="utf-8")
    both = [one for one in judge([RIGHT, str(other)], profile="quick", only=("forward",)) if isinstance(one, Judged)]
    networks = [[(m.problem, m.network, m.reference) for m in one.report.measurements if m.tensor == "loss"] for one in both]
    assert networks[0] == networks[1]
