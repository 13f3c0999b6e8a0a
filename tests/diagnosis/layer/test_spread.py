"""Errors of a normalisation that no operation claims: which term they are made of, and over what it goes."""

import numpy as np
import pytest

from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.relations import related


def case(shape, error_of, seed):
    """A layer with a known gradient, whose claim is off by error_of(x)."""
    draws = np.random.default_rng(seed)
    x, right = draws.normal(size=shape), draws.normal(size=shape)
    flat = right.ravel()
    return Case(
        values={"N": shape[0], "D": shape[-1]},
        arrays={"x": x},
        claimed={"x": right + error_of(x, draws)},
        jacobians={"x": np.diag(flat)},
        cotangent=np.ones(flat.size),
        shape=shape,
    )


def said(shapes, error_of):
    return related("x", [case(shape, error_of, seed) for seed, shape in enumerate(shapes)])


def own(shape, draws):
    return draws.normal(size=shape)


ROWS, IMAGES = ((4, 5), (3, 6)), ((3, 2, 4, 3), (2, 4, 3, 5))


@pytest.mark.parametrize(
    ("shapes", "error_of", "of", "over"),
    [
        (ROWS, lambda x, draws: own((len(x), 1), draws) * x, "a multiple of x:", "of each row"),
        (ROWS, lambda x, draws: own((len(x), 1), draws) * (x - x.mean(1, keepdims=True)), "a multiple of x - mean:", "of each row"),
        (
            IMAGES,
            lambda x, draws: own((1, x.shape[1], 1, 1), draws) + own((1, x.shape[1], 1, 1), draws) * x,
            "a number and a multiple of x - mean:",
            "over the samples and pixels",
        ),
        (
            IMAGES,
            lambda x, draws: own((len(x), 1, 1, 1), draws) * (x - x.mean((1, 2, 3), keepdims=True)),
            "a multiple of x - mean:",
            "of each sample",
        ),
    ],
)
def test_the_term_and_what_it_goes_over_are_named(shapes, error_of, of, over):
    mistake, says = said(shapes, error_of)
    assert mistake == "variance-term"
    assert f"is off by {of}" in says and over in says


def test_an_error_of_any_other_form_has_no_such_name():
    assert said(ROWS, lambda x, draws: x**3) is None
    assert said(IMAGES, lambda x, draws: x**3) is None


def in_one_row(shape, seed, factors):
    """A table of which one row has a gradient, whose claim is off by a factor of each column's own, or of each row's."""
    draws = np.random.default_rng(seed)
    x, right = draws.normal(size=shape), np.zeros(shape)
    right[1] = draws.normal(size=shape[1])
    claimed = right * factors(draws)
    return Case({"N": shape[0], "D": shape[1]}, {"x": x}, {"x": claimed}, {"x": np.diag(right.ravel())}, np.ones(right.size), shape)


def test_columns_of_one_number_each_say_nothing_of_a_factor_of_their_own():
    """As of a table of vectors of which one is used: any number is some multiple of any other."""
    assert related("x", [in_one_row((3, width), width, lambda draws, width=width: draws.normal(size=width)) for width in (5, 6)]) is None
