"""What a relation may explain: an error that differences barely see is near a multiple of anything, and has no name."""

from types import SimpleNamespace

import numpy as np
import pytest

from verifier.diagnosis.layer.case import CLOSE, Case
from verifier.diagnosis.layer.formulas.formula import Formulas
from verifier.diagnosis.layer.matching import _by_terms
from verifier.diagnosis.layer.regions import is_there, region_of
from verifier.diagnosis.layer.relations import related


def case(error, other, right=None):
    """One linear layer in w, whose gradient is wrong by `error`, beside another array of the same shape."""
    right = np.array([1.0, -2.0, 0.5]) if right is None else right
    flat = right.ravel()
    return Case(
        values={"D": right.shape[-1]},
        arrays={"w": np.ones(right.shape), "u": other},
        claimed={"w": right + error},
        jacobians={"w": np.diag(flat)},
        cotangent=np.ones(flat.size),
        shape=(flat.size,),
    )


def test_an_error_at_the_limit_of_differences_is_no_multiple_of_an_array():
    other = np.array([0.3, 1.0, -0.7])
    error = 2.2 * CLOSE["float64"] * np.array([0.4, 1.0, 0.1])
    assert related("w", [case(error, other)]) is None
    assert related("w", [case(0.25 * other, other)]) == ("additive", "is off by 0.25·u on every problem")


def test_one_number_is_no_multiple_of_another():
    one = case(np.array([0.1]), np.array([0.7]), right=np.array([1.0]))
    assert "·u" not in str(related("w", [one]))


@pytest.mark.parametrize(("factor", "says"), [(2.0, "is twice what it should be"), (1.37, None)])
def test_of_one_number_a_factor_is_said_only_where_it_is_a_usual_one(factor, says):
    """Any number is some multiple of any other: 1.37 times is what is left of every mistake."""

    def said(*right):
        right = np.array(right)
        found = related("w", [case((factor - 1) * right, np.zeros(right.shape), right)])
        return found and found[1]

    assert said(0.8) == says
    assert said(0.8, -1.7) == (says or "is 1.37 times what it should be")


@pytest.mark.parametrize("order", [1, -1])
def test_a_problem_on_which_two_terms_are_one_tells_nothing_of_either(order):
    """On it a + 2b is 3a as well; another problem tells them apart."""
    terms = [(np.array([1.0, 2.0, -1.0]),) * 2, (np.array([1.0, 2.0, -1.0]), np.array([0.5, -1.0, 3.0]))][::order]
    given = [SimpleNamespace(cotangent=np.ones(3), terms=dict(zip(("the first", "the second"), one, strict=True))) for one in terms]
    cases = [case(b, np.zeros(3), a + b) for a, b in terms]
    assert _by_terms("w", cases, given, Formulas(terms=lambda one: one.terms)) == "has the second twice"


def test_a_row_is_named_although_it_is_all_there_is_on_another_problem():
    table = np.array([[1.0, 2.0], [3.0, 4.0]])
    wrong = [case(np.array([[-1.0, -2.0], [0.0, 0.0]]), table, table), case(-table[:1], table[:1], table[:1])]
    assert region_of("w", wrong) == "in the first row only"
    assert is_there("w", wrong) == "is zero"


def test_elements_on_one_bound_are_called_clipped():
    other = np.array([0.3, 1.0, -0.7])
    rights = (np.array([1.5, -2.0, 0.5]), np.array([0.2, 3.0, -4.0]))
    wrong = [case(np.clip(right, -1, 1) - right, other, right) for right in rights]
    assert related("w", wrong) == ("clipped", "is clipped: no element is beyond ±1, and the others are right")
    assert "clipped" not in str(related("w", [case(np.array([-0.5, 0.9, 0.3]), other)]))


def test_the_gradient_of_the_scores_is_named_where_a_loss_is_given_probabilities():
    """Of rows whose loss is their mean -log p[y], and of single probabilities."""
    cases = []
    for p, y in ((np.array([[0.2, 0.8], [0.6, 0.4]]), np.eye(2)), (np.array([[0.3, 0.7]]), np.eye(2)[:1])):
        right = -y / p / len(p)
        cases.append(Case({"N": len(p)}, {"p": p}, {"p": (p - y) / len(p)}, {"p": right.ravel()[None]}, np.ones(1), ()))
    assert "p - y, the gradient of the scores before a softmax" in str(related("p", cases))
    p, y = np.array([0.2, 0.7, 0.6]), np.array([0.0, 1.0, 1.0])
    alone = Case({"N": 3}, {"p": p}, {"p": (p - y) / 3}, {"p": ((p - y) / p / (1 - p) / 3)[None]}, np.ones(1), ())
    assert "before a sigmoid" in str(related("p", [alone]))


@pytest.mark.parametrize(
    ("parts", "which", "words"), [(4, 3, "last quarter"), (4, 1, "second quarter"), (3, 1, "second third"), (2, 1, "last half")]
)
def test_the_smallest_part_of_an_axis_that_holds_what_is_wrong_is_named(parts, which, words):
    wrong = []
    for length in (2, 3):
        right = np.linspace(1.0, 2.0, parts * length)
        error = np.zeros(right.shape)
        error[which * length : (which + 1) * length] = np.linspace(0.1, 0.3, length)
        wrong.append(case(error[None], np.zeros(right[None].shape), right[None]))
    assert region_of("w", wrong) == f"in the {words} of the columns only"
