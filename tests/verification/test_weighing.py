"""Each word that the witnesses have for each other, from findings that are written down here."""

import numpy as np
import pytest

from verifier.checks import autograd, finite_difference
from verifier.checks.examination import Differenced, Examination, Finding, Item
from verifier.contracts.convention import Convention
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.oracles.finite_difference.ladder import Slope
from verifier.oracles.finite_difference.line import DirectionResult
from verifier.oracles.finite_difference.problem import ProblemDifferences
from verifier.oracles.reference import refer
from verifier.results.evaluation import Evaluation
from verifier.results.outcome import Outcome
from verifier.verification import witnesses

CLAIMS = Claims(activations=("tanh",), output_activations=("identity",))
PROBLEM = draw_problem(Architecture((2, 2), ("identity",), "squared_error", 2, "float64"), Recipe(), CLAIMS, seed=3, index=0)
ITEM = Item(0, PROBLEM, refer(PROBLEM))
TOLERANCE = 1e-9
WHERE = "weights[0]", (0, 0)


def heard(differences: str, by_autograd: str, *, off: float = 0.0, forward: str = "pass", line: str = "pass") -> dict[str, Finding]:
    """What stands once the witnesses have heard each other: one line through one weight, whose claimed gradient is off by so much."""
    claimed = {name: gradient.copy() for name, gradient in ITEM.reference.gradients.items()}
    claimed[WHERE[0]][WHERE[1]] += off
    along = np.zeros_like(claimed[WHERE[0]])
    along[WHERE[1]] = 1.0
    slope = Slope(0.0, TOLERANCE, 0.1, (0.1,), (0.0,))
    direction = DirectionResult(WHERE[0], line, 0.0, TOLERANCE, 0.0, {}, slope, None, 0, {WHERE[0]: along})
    differenced = Differenced(ITEM, ProblemDifferences(line, {}, {}, (direction,), None, 0))
    findings = {
        "forward": Finding(Outcome("forward", forward, "")),
        finite_difference.ID: Finding(Outcome(finite_difference.ID, differences, "Off."), differenced=(differenced,)),
        autograd.ID: Finding(Outcome(autograd.ID, by_autograd, "Off.")),
    }
    examination = Examination(CLAIMS, "backprop", (ITEM,), (), {0: Evaluation(None, None, claimed)}, None, 0, 0)
    return witnesses.weigh(witnesses.Testimony(findings), examination)


@pytest.mark.parametrize("off", [3 * TOLERANCE, -3 * TOLERANCE])
def test_a_line_that_passed_arbitrates_where_it_would_have_seen_three_tolerances(off):
    assert "the backward pass fits its forward pass" in heard("pass", "fail", off=off)[autograd.ID].outcome.message


@pytest.mark.parametrize("off", [1.5 * TOLERANCE, -1.5 * TOLERANCE, 0.0])
def test_it_does_not_where_the_error_is_one_and_a_half(off):
    """Twice its tolerance is the least that a line may arbitrate: below, its own error may be the whole of it."""
    assert "too small for finite differences" in heard("pass", "fail", off=off)[autograd.ID].outcome.message


def test_a_line_that_failed_does_not_arbitrate():
    assert "too small for finite differences" in heard("pass", "fail", off=1.0, line="fail")[autograd.ID].outcome.message


def test_an_undecided_check_with_a_line_that_passed_arbitrates_too():
    assert "the backward pass fits its forward pass" in heard("inconclusive", "fail", off=1.0)[autograd.ID].outcome.message


def test_differences_alone_against_loss_and_gradients_are_not_trusted():
    found = heard("fail", "pass", off=0.0)[finite_difference.ID].outcome
    assert found.status == "inconclusive"
    assert "finite differences cannot be trusted" in found.message


def test_differences_alone_stand_where_the_loss_is_another_one():
    found = heard("fail", "pass", forward="fail")[finite_difference.ID].outcome
    assert found.status == "fail"
    assert "it is the loss returned that is another one" in found.message


@pytest.mark.parametrize("forward", ["pass", "fail", "skipped"])
@pytest.mark.parametrize("by_autograd", ["pass", "fail"])
@pytest.mark.parametrize("differences", ["pass", "fail", "inconclusive"])
def test_the_witnesses_contradict_each_other_in_one_case_alone(differences, by_autograd, forward):
    outcomes = {"forward": forward, finite_difference.ID: differences, autograd.ID: by_autograd}
    testimony = witnesses.Testimony({check: Finding(Outcome(check, status, "")) for check, status in outcomes.items()})
    assert witnesses.contradicts(testimony) == ((differences, by_autograd) == ("fail", "pass") and forward != "fail")


def test_what_both_say_stands_as_it_is():
    for pair in (("pass", "pass"), ("fail", "fail"), ("skipped", "pass"), ("pass", "skipped")):
        findings = heard(*pair)
        assert [findings[check].outcome.message for check in (finite_difference.ID, autograd.ID)] == ["Off.", "Off."]


@pytest.mark.parametrize(("beyond", "explains"), [(0.0, True), (1 / 3, True), (3.0, False), (-3.0, False)])
def test_a_convention_explains_what_differences_saw_where_each_line_saw_what_it_had_to_see(beyond, explains):
    """The claimed gradient is off by 1e-3 from that of the loss with the convention, and so must be the slope along one weight."""
    claimed = {name: gradient.copy() for name, gradient in ITEM.reference.gradients.items()}
    claimed[WHERE[0]][WHERE[1]] += 1e-3
    along = np.zeros_like(claimed[WHERE[0]])
    along[WHERE[1]] = 1.0
    slope = Slope(-1e-3, TOLERANCE / 8, 0.1, (0.1,), (0.0,))
    line = DirectionResult(WHERE[0], "fail", -1e-3 + beyond * TOLERANCE, TOLERANCE, 0.0, {}, slope, None, 0, {WHERE[0]: along})
    differenced = Differenced(ITEM, ProblemDifferences("fail", {}, {}, (line,), None, 0))
    testimony = witnesses.Testimony(
        {
            finite_difference.ID: Finding(Outcome(finite_difference.ID, "fail", "Off."), differenced=(differenced,)),
            autograd.ID: Finding(Outcome(autograd.ID, "fail", "Off.")),
        }
    )
    own = Examination(CLAIMS, "backprop", (ITEM,), (), {0: Evaluation(None, None, claimed)}, None, 0, 0)
    again = {autograd.ID: Finding(Outcome(autograd.ID, "pass", ""))}
    found, convention = witnesses.heard_again(testimony, own, again, Convention("log_epsilon", 1e-7, gradient_too=False))
    assert (convention is not None) == explains
    assert {found.status(check) for check in (finite_difference.ID, autograd.ID)} == {"pass" if explains else "fail"}
