"""The first wrong equation from gradients alone: right code is never accused, wrong code where its mistake is."""

import pytest

from benchmarks.diagnosis_power import IMPLEMENTATIONS, Asked
from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.mlp.departure import find_departure, wrong_equations


def departure_of(claims, *faults, style="vectorised"):
    asked = Asked(style, claims, faults)
    return find_departure(claims, lambda problem: asked.gradients(problem, where=""), seed=3)


@pytest.mark.parametrize("bias", ["vector", "none"])
@pytest.mark.parametrize("place", range(0, len(IMPLEMENTATIONS), 3))
def test_right_code_is_never_accused(place, bias, answers):
    style, claims = IMPLEMENTATIONS[place]
    claims = Claims(**{**claims._values(), "bias": bias})
    for one in answers(claims, style=style, count=15, batch=1):
        assert wrong_equations(one, claims) == [], one.problem.description
    assert departure_of(claims, style=style).equation is None


@pytest.mark.parametrize(
    ("fault", "equation"),
    [
        ("output-derivative-missing", "output-delta"),
        ("absolute-error-slope", "output-delta"),
        ("hidden-derivative-doubled", "hidden-delta"),
        ("weights-left-out", "hidden-delta"),
        ("updated-before-propagated", "hidden-delta"),
        ("activation-left-out", "weight-gradient"),
        ("outer-product-transposed", "weight-gradient"),
        ("weights-sign", "weight-gradient"),
        ("bias-zero", "bias-gradient"),
        ("bias-one-number", "bias-gradient"),
    ],
)
def test_the_equation_is_the_one_that_was_broken(fault, equation):
    found = departure_of(Claims(), fault)
    assert found.equation == equation
    assert not found.batch


@pytest.mark.parametrize(
    ("fault", "equation"),
    [("bias-averaged", "bias-gradient"), ("weights-not-averaged", "weight-gradient"), ("missing-mean", "output-delta")],
)
def test_what_only_batches_show_is_found_in_the_sum_over_the_batch(fault, equation):
    found = departure_of(Claims(), fault)
    assert (found.equation, found.batch) == (equation, True)


def test_a_mistake_in_one_layer_is_counted_once():
    """The layers below are judged on the candidate's own δ, so a wrong output δ does not make every recursion wrong."""
    assert departure_of(Claims(), "output-derivative-missing").equations == ("output-delta",)


def test_without_biases_the_method_says_that_it_is_weaker():
    found = departure_of(Claims(bias="none"), "hidden-derivative-missing")
    assert (found.equation, found.weak) == ("hidden-delta", True)
