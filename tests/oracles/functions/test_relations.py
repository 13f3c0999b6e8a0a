"""The sentence about a wrong gradient, for gradients whose mistake is known because it was made here."""

import numpy as np
import pytest

from verifier.oracles.functions.relations import of_draws, relation

RIGHT = np.random.default_rng(0).normal(size=(4, 3))
SIZES = {"N": 4, "C": 3}
ONLY_LAST = np.where(np.arange(4)[:, None] == 3, RIGHT, 0.0)
ONLY_FIRST = np.where(np.arange(4)[:, None] == 0, RIGHT, 0.0)
MASK = RIGHT > 0
SAID = {
    "twice": (2 * RIGHT, "It is twice the right one."),
    "size": (4 * RIGHT, "It is N times the right one (N is 4 here)."),
    "one over a size": (RIGHT / 3, "It is 1/(C) times the right one (C is 3 here)."),
    "a size squared": (16 * RIGHT, "It is (N)² times the right one (N is 4 here)."),
    "sign": (-RIGHT, "It has the wrong sign."),
    "sign and size": (-4 * RIGHT, "It is turned in sign and N times the right one (N is 4 here)."),
    "absolute": (np.abs(RIGHT), "Its sign is lost: it is the absolute value of the right one."),
    "zero": (0 * RIGHT, "It is 0 everywhere."),
    "last row": (ONLY_LAST, "Only the last row is there, all others are 0."),
    "first row": (ONLY_FIRST, "Only the first row is there, all others are 0."),
    "last row right": (np.where(ONLY_LAST != 0, RIGHT, RIGHT**2 + 1), "The last row is right, those before it are not."),
    "first row right": (np.where(ONLY_FIRST != 0, RIGHT, RIGHT**2 + 1), "The first row is right, the rows after it are not."),
    "a factor a row": (np.array([[2.0], [5.0], [-3.0], [7.0]]) * RIGHT, "Each row is a multiple of the right one, every row another."),
    "five digits": (
        RIGHT * (1 + 8e-6 * RIGHT / np.abs(RIGHT).max()),
        "It is right to 5 digits: is a part of it computed in a narrower type",
    ),
    "a small factor": (1.0001 * RIGHT, "Every element is off by the same factor, 1.0001."),
    "not a number": (np.where(MASK, np.nan, RIGHT), "It is not finite."),
    "nothing known": (RIGHT**2 + 1, ""),
}


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("scale", [1.0, 1e160, 1e-160])
def test_a_mistake_that_was_made_is_said_at_any_size(name, scale):
    claimed, said = SAID[name]
    found = relation(claimed * scale, RIGHT * scale, SIZES)
    assert found == said if not said or said.endswith(".") else found.startswith(said)


def test_a_mask_lost_and_one_too_many():
    masked = np.where(MASK, RIGHT, 0.0)
    lost, kept = int((~MASK).sum()), int(MASK.sum())
    assert relation(RIGHT, masked, {}) == f"It is right but for {lost} elements that should be 0: a mask is lost."
    assert relation(masked, RIGHT, {}) == f"It is right but for {12 - kept} elements where it is 0 and should not be."


def test_tensors_that_were_exchanged_transposed_or_never_multiplied():
    square, other = RIGHT[:3], np.random.default_rng(1).normal(size=(3, 3))
    assert relation(other, square, {}, others={"k": other}) == "It is the gradient of k: two are exchanged."
    assert relation(other, square, {}, cotangents=[other]) == "It is the cotangent, as it came in."
    assert relation(square.T, square, {}) == "It is the right one transposed."


def test_a_number_and_a_vector_have_no_rows():
    assert relation(np.array(3.0), np.array(0.0), {}) == ""
    assert relation(np.array([2.0, 7.0]), np.array([2.0, 3.0]), {}) == "The first row is right, the rows after it are not."


def test_a_small_factor_is_said_only_where_it_holds_within_rounding():
    rounding = 1e-14 * np.abs(RIGHT)
    nearly = RIGHT * (1 + 6e-4 * (1 + 0.05 * np.sign(RIGHT)))
    assert "factor" in relation(nearly, RIGHT, SIZES)
    assert "factor" not in relation(nearly, RIGHT, SIZES, within=rounding)
    assert relation(1.0001 * RIGHT, RIGHT, SIZES, within=rounding) == "Every element is off by the same factor, 1.0001."


def test_a_factor_nearer_to_one_than_the_error_is_large_is_not_said():
    apart = RIGHT * np.where(np.arange(RIGHT.size).reshape(RIGHT.shape) % 2, 1.0, 1.0016)
    assert relation(apart, RIGHT, SIZES, within=1e-14 * np.abs(RIGHT)) == ""
    apart[0] = RIGHT[0]
    assert relation(apart, RIGHT, SIZES, within=1e-14 * np.abs(RIGHT)) == "The first row is right, the rows after it are not."


def test_one_number_is_said_to_be_a_multiple_only_where_that_is_no_chance():
    assert relation(np.array(3.3), np.array(1.0), {}) == ""
    assert relation(np.array([0.5003]), np.array([1.0]), {}) == ""  # near a half by chance
    assert relation(np.array([0.5]), np.array([1.0]), {}) == "It is half the right one."
    assert relation(np.array([-1.7]), np.array([1.7]), {}) == "It has the wrong sign."
    assert relation(np.array([6.8]), np.array([1.7]), SIZES) == "It is N times the right one (N is 4 here)."
    assert relation(np.array([6.8]), np.array([1.7 + 1e-9]), SIZES, within=np.array([1e-12])) == ""
    assert relation(np.array([[0.0, 3.3]]), np.array([[0.0, 1.0]]), {}) == ""  # all but one are zero


def test_one_number_of_each_of_several_draws_shows_any_factor():
    right = np.array([1.0, -0.4, 2.5])
    assert of_draws(0.7123 * right, right, {}) == "It is 0.7123 times the right one."
    assert of_draws(np.abs(right), right, {}) == "Its sign is lost: it is the absolute value of the right one."
    assert of_draws(0 * right, right, {}) == "It is 0 everywhere."
    assert of_draws(np.array([3.3, 1.0, 2.5]), right, {}) == ""
