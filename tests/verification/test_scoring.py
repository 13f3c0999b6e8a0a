"""Right gradients are most of a score, and each wrong part of the equations costs its share."""

import pytest
from msgspec import structs

from verifier.checking import check
from verifier.verification.scoring import score

FAULTY = "reference_impls/faulty"


def points(path, **weights):
    return score(check(path, profile="quick"), weights).points


def test_a_right_candidate_has_all_points():
    assert points("reference_impls/correct/vectorised_rows.py") == 100
    assert points("reference_impls/correct/no_bias.py") == 100


@pytest.mark.parametrize("name", ["sign", "factor_two"])
def test_wrong_in_every_tensor_is_less_than_half(name):
    assert points(f"{FAULTY}/{name}.py") < 50


def test_a_bias_that_is_not_summed_costs_the_biases_alone():
    assert points(f"{FAULTY}/bias_not_summed.py") == 80


def test_a_wrong_update_beside_right_gradients_costs_less_than_a_wrong_gradient():
    assert 80 < points(f"{FAULTY}/update_wrong_sign.py") < 100


def test_the_assignment_weighs_the_parts():
    report = check(f"{FAULTY}/bias_not_summed.py", profile="quick")
    assert score(report, {"points": 20}).points == 16
    assert score(report, {"biases": 0}).points < 100
    assert score(report, {"weights": 0, "loss": 0, "others": 0}).points == 0


def test_its_parts_add_up():
    for name in ("sign", "bias_not_summed"):
        found = score(check(f"{FAULTY}/{name}.py", profile="quick"))
        assert abs(sum(part.points for part in found.parts) - found.points) < 0.05
        assert abs(sum(part.of for part in found.parts) - found.of) < 0.05


def test_what_was_not_judged_or_decided_has_none_and_says_so():
    report = check("tests/planted/raises_always.py", profile="quick")
    assert (report.verdict, score(report).points) == ("error", 0)
    undecided = score(structs.replace(report, verdict="inconclusive"))
    assert undecided.points == 0
    assert "a person" in undecided.parts[0].why
