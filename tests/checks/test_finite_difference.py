"""The gradients as the derivative of the candidate's own loss, whatever that loss is."""

import numpy as np
import pytest

from verifier.checks.examination import Differenced, Item
from verifier.checks.finite_difference import conclude, moves_of
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, build_problem
from verifier.oracles.finite_difference.ladder import Slope
from verifier.oracles.finite_difference.line import DirectionResult
from verifier.oracles.finite_difference.problem import ProblemDifferences
from verifier.oracles.reference import refer


def test_right_gradients_pass_with_their_resolving_power(verify, plain):
    outcome = verify(plain, only=("finite-difference",)).outcome("finite-difference")
    assert (outcome.status, outcome.problems) == ("pass", 10)
    assert 0 < outcome.resolves < 1e-4
    assert f"excludes errors above {outcome.resolves:.1g}" in outcome.message


def test_a_gradient_that_is_not_the_derivative_of_its_own_loss_fails_and_names_the_element(verify, plain):
    outcome = verify(plain.but("d.sum(axis=0)", "1.01 * d.sum(axis=0)"), only=("finite-difference",)).outcome("finite-difference")
    assert outcome.status == "fail"
    assert outcome.tensor.startswith("biases")
    assert "own loss changes by" in outcome.message


def test_consistent_gradients_of_another_loss_pass_here_and_fail_against_autograd(verify, plain):
    # ½(y - ŷ)² and its gradient: the backward pass fits its own forward pass, which is not the claimed one.
    half = plain.but("np.sum((a[-1] - y) ** 2) / len(y)", "np.sum((a[-1] - y) ** 2) / len(y) / 2")
    half = half.but("delta = 2 * (a[-1]", "delta = (a[-1]")
    verified = verify(half, only=("finite-difference", "autograd", "forward"))
    assert verified.status("finite-difference") == "pass"
    assert verified.failed == {"autograd", "forward"}


def test_the_claimed_loss_over_predict_is_differenced_where_no_loss_comes_back(verify, plain):
    silent = plain.but("return loss,", "return None,")
    assert verify(silent, only=("finite-difference",)).status("finite-difference") == "pass"
    wrong = silent.but("d.sum(axis=0)", "1.01 * d.sum(axis=0)")
    assert verify(wrong, only=("finite-difference",)).status("finite-difference") == "fail"


def test_without_loss_and_predict_it_is_skipped_and_says_what_to_do(verify, plain):
    verified = verify(plain.but("return loss,", "return None,").without("predict"))
    outcome = verified.outcome("finite-difference")
    assert outcome.status == "skipped"
    assert "return the loss, or define predict" in outcome.message
    assert verified.verdict == "pass"  # autograd decides every tensor


def test_a_loss_too_noisy_to_difference_is_inconclusive_and_no_false_alarm(verify, plain):
    noisy = plain.but("return loss,", "return float(np.float16(loss)),")
    verified = verify(noisy, only=("finite-difference",))
    assert verified.status("finite-difference") == "inconclusive"
    assert verified.verdict == "inconclusive"


def test_a_float32_candidate_is_differenced_coarsely_and_raises_no_false_alarm(verify, plain):
    verified = verify(plain.claims('dtypes = ["float32"]'))
    assert verified.status("finite-difference") in ("pass", "inconclusive")
    assert verified.verdict == "pass", verified.report.summary


def test_a_wrong_gradient_is_located_on_three_networks_and_costs_elsewhere_what_a_right_one_does(verify, plain):
    def lines(source):
        found = [one.problem for one in verify(source, only=("finite-difference",)).report.measurements if one.check == "finite-difference"]
        return sorted((found.count(problem) for problem in set(found)), reverse=True)

    wrong, right = lines(plain.but("d.sum(axis=0)", "1.01 * d.sum(axis=0)")), lines(plain)
    assert len(wrong) == len(right) == 10
    assert min(wrong[:3]) > 3 >= max(wrong[3:])
    assert sum(wrong[3:]) <= sum(right[:7]) + 7


def test_a_kink_that_is_crossed_and_crossed_back_on_the_way_to_a_step_is_seen():
    """tanh(t) - tanh(t - 1) is 0.76 at 0 and at 1, and 0.92 halfway: less 0.85, a ReLU is off at both ends and on in between."""
    weights = {"weights[0]": np.zeros((2, 1)), "weights[1]": np.array([[1.0, -1.0]]), "weights[2]": np.ones((1, 1))}
    biases = {"biases[0]": np.array([0.0, -1.0]), "biases[1]": np.array([-0.85]), "biases[2]": np.zeros(1)}
    kinds = ("tanh", "relu", "identity")
    data = {"x": np.ones((1, 1)), "y": np.zeros((1, 1))}
    problem = build_problem(Architecture((1, 2, 1, 1), kinds, "squared_error", 1), weights | biases | data, Claims())
    moves = moves_of(problem)
    along = {"biases[0]": np.array([1.0, 1.0])}
    assert moves(along, 1.0) == (1.0, True)
    assert not moves(along, 0.1)[1]


@pytest.mark.parametrize(("found", "status"), [("pass", "error"), ("undecided", "inconclusive"), ("fail", "fail")])
def test_where_a_network_could_not_be_asked_the_others_are_no_pass(found, status):
    arrays = {"weights[0]": np.ones((1, 1)), "biases[0]": np.zeros(1), "x": np.ones((1, 1)), "y": np.zeros((1, 1))}
    problem = build_problem(Architecture((1, 1), ("identity",), "squared_error", 1), arrays, Claims())
    line = DirectionResult("all", found, 1.0, 1e-9, 1e-9, {}, Slope(1.0, 1e-10, 0.1, (0.1,), (1.0,)), None, 14)
    tensors = dict.fromkeys(("weights[0]", "biases[0]"), found)
    differences = ProblemDifferences(found, tensors, dict.fromkeys(tensors, 1e-9), (line,), None, 14)
    done = [Differenced(Item(0, problem, refer(problem)), differences)]
    assert conclude(done).outcome.status == {"undecided": "inconclusive"}.get(found, found)
    outcome = conclude(done, ["the candidate did not answer."]).outcome
    assert outcome.status == status
    assert "1 network could not be asked: the candidate did not answer." in outcome.message
