"""The small networks among which a counterexample is searched: allowed by the claims, no larger than what failed, of plain numbers."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.contracts.mlp.smallest import shelves

SOFTMAX = Claims(activations=("relu",), output_activations=("softmax",), losses=("cross_entropy",))
LIKE = [
    (Claims(), Architecture((5, 4, 3), ("sigmoid", "sigmoid"), "squared_error", 4)),
    (replace(SOFTMAX, dtypes=("float32",)), Architecture((5, 4, 3), ("relu", "softmax"), "cross_entropy", 4, "float32")),
    (Claims(sizes=(4, 0, 2), layers=2, bias="none"), Architecture((4, 7, 2), ("sigmoid", "sigmoid"), "squared_error", 2)),
    (Claims(batch="single"), Architecture((1, 1), ("sigmoid",), "squared_error", 1)),
    (
        Claims(output_activations=("softmax",), losses=("binary_cross_entropy",), targets="one_hot"),
        Architecture((2, 2, 3), ("sigmoid", "softmax"), "binary_cross_entropy", 3),
    ),
    (
        Claims(losses=("binary_cross_entropy_with_logits",), output_activations=("identity",)),
        Architecture((6, 1), ("identity",), "binary_cross_entropy_with_logits", 3),
    ),
]


@pytest.mark.parametrize(("claims", "like"), LIKE)
def test_a_small_problem_is_allowed_and_no_larger_than_what_failed(claims, like):
    failed = draw_problem(like, Recipe(), claims, seed=0, index=0)
    problems = [problem for shelf in shelves(claims, failed) for each in shelf for problem in islice(each, 40)]
    assert problems
    for problem in problems:
        network = architecture_of(problem)
        assert claims.layers in (None, network.layers) and network.layers <= max(2, like.layers)
        assert network.batch <= like.batch and network.dtype == problem.dtype == like.dtype
        assert network.loss == like.loss and network.activations[-1] == like.activations[-1]
        assert set(network.activations[:-1]) <= set(claims.activations)
        assert all(size in (0, width) for size, width in zip(claims.sizes or (0,) * len(network.widths), network.widths, strict=True))
        assert max(network.widths) <= max(3, *(claims.sizes or (0,)))
        assert {array.dtype for array in problem.arrays.values()} == {np.dtype(like.dtype)}
        assert all(np.all(array * 4 == np.round(array * 4)) for array in problem.arrays.values())  # quarters: numbers to work by hand
        if "softmax" in like.activations:
            assert network.widths[-1] >= 2  # of one output softmax is 1, whatever goes in
        if like.loss != "squared_error":
            assert np.all((problem.arrays["y"] >= 0) & (problem.arrays["y"] <= 1))
        if "softmax" in network.activations and like.loss != "binary_cross_entropy":
            assert problem.arrays["y"].sum(axis=1).tolist() == [1.0] * network.batch


def test_the_first_shelf_holds_the_fewest_layers():
    failed = draw_problem(Architecture((3, 3, 3, 2), ("sigmoid",) * 3, "squared_error", 2), Recipe(), Claims(), seed=0, index=0)
    depths = [architecture_of(next(iter(shelf.smallest))).layers for shelf in shelves(Claims(), failed)]
    assert depths == [1, 2, 3]


def test_each_depth_is_probed_with_the_fewest_and_with_the_most_units():
    failed = draw_problem(Architecture((5, 5, 4), ("sigmoid",) * 2, "squared_error", 3), Recipe(), Claims(), seed=0, index=0)
    for layers, shelf in zip((1, 2), shelves(Claims(), failed), strict=False):
        probed = {architecture_of(problem).widths for problem in shelf.probing}
        assert (1,) * (layers + 1) in probed
        assert max(probed)[0] == max(max(widths) for widths in probed) > 1
