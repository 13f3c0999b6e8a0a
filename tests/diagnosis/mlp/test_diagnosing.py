"""What is said of wrong code, from end to end; of right code nothing."""

import re

import pytest

from benchmarks.diagnosis_power import EQUATIONS_OUTSIDE, OUTSIDE
from verifier.verification.judging import judge


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        (0, "factor-half"),
        (0, "numerical-differentiation"),
        (0, "single-precision"),
        (1, "hidden-tanh-derivative-tanh"),
        (3, "epsilon-in-gradient-alone"),
        (5, "softmax-diagonal-jacobian"),
        (6, "l2-without-two"),
        (6, "l2-of-gradient"),
        (9, "leaky-slope"),
        (15, "accumulated-between-calls"),
        (15, "stale-forward-state"),
        (0, "random-between-calls"),
        (0, "update-with-momentum"),
        (0, "update-sample-by-sample"),
    ],
)
def test_a_planted_fault_is_named_first(place, fault, diagnosis_of):
    assert diagnosis_of(place, fault)[0].fault == fault


def test_what_targets_of_0_and_1_leave_without_a_number_is_looked_at_between_them(diagnosis_of):
    [told, *_] = diagnosis_of(27, "outputs-and-targets-exchanged")
    assert (told.fault, told.equation) == ("outputs-and-targets-exchanged", "output-delta")
    assert "targets of exactly 0 or 1" in told.explanation


def test_right_code_is_told_nothing(diagnosis_of):
    assert diagnosis_of(0) == ()


def test_an_explanation_is_one_or_two_sentences_and_its_evidence_is_counted(diagnosis_of):
    [told, *_] = diagnosis_of(0, "hidden-derivative-missing")
    assert told.explanation.count(". ") <= 2
    assert re.search(r"on \d+ of them it shows", told.evidence)


@pytest.fixture(scope="module")
def outside():
    return {judged.report.candidate.name: judged.report for judged in judge([str(OUTSIDE)], profile="quick")}


def test_the_mistakes_outside_the_catalogue_are_those_that_are_promised(outside):
    assert set(outside) == set(EQUATIONS_OUTSIDE)


@pytest.mark.parametrize("name", EQUATIONS_OUTSIDE)
def test_a_mistake_outside_the_catalogue_gets_its_equation_and_no_name(name, outside):
    [told, *_] = outside[name].diagnosis
    assert (told.fault, told.equation) == ("no-known-mistake", EQUATIONS_OUTSIDE[name])
    assert outside[name].counterexample.walkthrough
