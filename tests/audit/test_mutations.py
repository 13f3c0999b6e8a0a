"""Each mutation's edit on numbers that can be checked by eye, and its bisection."""

import numpy as np
import pytest

from verifier.audit.calls import Call
from verifier.audit.edits import edited, rounded
from verifier.audit.kits import NUMPY, kit_of
from verifier.audit.mutations import BY_ID, CATALOGUE
from verifier.audit.resolution import bisect

X = np.array([[-1.0, 0.0, 2.0], [9.0, 5.0, 5.0]])
G = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 6.0]])
C = np.array([[1.0, -1.0, 2.0], [3.0, 5.0, 7.0]])


def call(**changed):
    return Call(**{"outputs": ("x",), "gradients": (G,), "inputs": (X,), "cotangents": (C,), "layouts": ((3, 1),), **changed})


def mutated(name, **changed):
    """The gradient (the cotangent, where that is edited) after the mutation; None where this call does not show it."""
    made = call(**changed)
    arrays = made.cotangents if BY_ID[name].of_cotangent else made.gradients
    edit = BY_ID[name].edit(made, 0)
    return None if edit is None else edited(edit, arrays, 0).tolist()


NAN = float("nan")
EXPECTED = {
    "zero": [[0, 0, 0], [0, 0, 0]],
    "negated": [[-1, -2, -3], [-4, 0, -6]],
    "doubled": [[2, 4, 6], [8, 0, 12]],
    "halved": [[0.5, 1, 1.5], [2, 0, 3]],
    "times-batch": [[2, 4, 6], [8, 0, 12]],
    "reversed": [[6, 0, 4], [3, 2, 1]],
    "transposed": [[1, 4, 2], [0, 3, 6]],
    "last-row": [[1, 2, 3], [0, 0, 0]],
    "one-element": [[1, 2, 3], [8, 0, 6]],
    "first-of-batch": [[1, 2, 3], [0, 0, 0]],
    "shared-over-batch": [[1, 2, 3], [1, 2, 3]],
    "batch-above-1": [[2, 4, 6], [8, 0, 12]],
    "unequal-sizes": [[2, 4, 6], [8, 0, 12]],
    "where-negative": [[2, 2, 3], [4, 0, 6]],
    "where-large": [[1, 2, 3], [0, 0, 6]],
    "at-zeros": [[1, 1, 3], [4, 0, 6]],
    "at-ties": [[1, 2, 3], [4, 0, 12]],
    "cotangent-ones": [[1, 1, 1], [1, 1, 1]],
    "cotangent-shared": [[1, -1, 2], [1, -1, 2]],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_mutation_makes_of_the_numbers(name):
    assert mutated(name) == EXPECTED[name]


def test_nan_stands_where_the_gradient_is_zero():
    np.testing.assert_array_equal(mutated("nan-at-zero"), [[1, 2, 3], [4, NAN, 6]])


@pytest.mark.parametrize(
    "name", ["exchanged", "previous-call", "added-to-previous", "equal-sizes", "last-tile", "cotangent-contiguous", "last-output"]
)
def test_this_call_does_not_show_it(name):
    assert mutated(name) is None


def test_the_call_before_stays_in_the_buffer():
    assert mutated("previous-call", previous=(2 * G,)) == (2 * G).tolist()
    assert mutated("added-to-previous", previous=(2 * G,)) == (3 * G).tolist()
    assert mutated("previous-call", previous=(np.ones((3, 3)),)) is None


def test_gradients_of_one_shape_are_exchanged_in_a_circle():
    made = call(outputs=("x", "y", "z"), gradients=(G, np.ones(2), 2 * G), inputs=(X, None, X))
    assert edited(BY_ID["exchanged"].edit(made, 0), made.gradients, 0).tolist() == (2 * G).tolist()
    assert edited(BY_ID["exchanged"].edit(made, 2), made.gradients, 2).tolist() == G.tolist()


def test_an_expanded_cotangent_read_as_contiguous_is_one_number_and_nothing():
    ones = np.broadcast_to(np.array(1.0), (2, 3))
    assert mutated("cotangent-contiguous", cotangents=(ones,), layouts=((0, 0),)) == [[1, 0, 0], [0, 0, 0]]


def test_a_transposed_cotangent_read_as_contiguous_is_its_memory():
    assert mutated("cotangent-contiguous", layouts=((1, 2),)) == [[1, 3, -1], [5, 2, 7]]


def test_the_last_tile_begins_after_the_last_whole_block():
    (row,) = mutated("last-tile", gradients=(np.ones((1, 19)),), inputs=(None,))
    assert row == [1.0] * 16 + [0.0] * 3


def test_bfloat16_is_rounded_to_nearest_even():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    assert np.array_equal(rounded(values, "bfloat16"), torch.from_numpy(values).bfloat16().float().numpy())


@pytest.mark.parametrize("mutation", [one for one in CATALOGUE if one.id != "narrower"], ids=lambda one: one.id)
def test_an_edit_of_a_tensor_is_that_of_the_array(mutation):
    torch = pytest.importorskip("torch")
    made = call(previous=(3 * G,), layouts=((1, 2),))
    arrays = made.cotangents if mutation.of_cotangent else made.gradients
    edit = mutation.edit(made, 0)
    if edit is None:
        pytest.skip("this call does not show it")
    tensors = [torch.from_numpy(array) for array in arrays]
    np.testing.assert_array_equal(kit_of(tensors[0]).edit(edit, tensors, 0).numpy(), NUMPY.edit(edit, arrays, 0))


@pytest.mark.parametrize("limit", [0.9, 0.0312, 1e-6, 3e-14])
def test_the_bisection_ends_within_a_fifth_of_the_limit(limit):
    assert limit <= bisect(lambda error: error >= limit) <= 1.2 * limit


def test_a_test_that_notices_nothing_has_no_resolution_after_one_try():
    tried = []
    assert bisect(lambda error: tried.append(error) or False) is None
    assert tried == [1.0]
