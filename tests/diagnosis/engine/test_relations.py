"""What is said of a wrong value or gradient of one operation, from the numbers alone."""

from dataclasses import replace

import numpy as np

from verifier.diagnosis.engine.relations import Observation, relation_of, value_relation_of


def of_matmul(a, b):
    """The gradient of a by ``cotangent @ b.T``, which turns all axes of a batch round."""
    cotangent = np.random.default_rng(0).normal(size=(a @ b).shape)
    claimed, right = cotangent @ b.T, cotangent @ np.swapaxes(b, -1, -2)
    return Observation("matmul", "batch", "a", claimed, right, cotangent, a @ b, {"a": a, "b": b}, {})


def of_log(added):
    a = np.linspace(0.2, 3.0, 12).reshape(3, 4)
    right = np.log(a)
    return Observation("log", "plain", "", np.log(a + added), right, None, right, {}, {}, 1 / a)


def test_a_gradient_that_is_wrong_only_where_sizes_are_equal_is_said_to_be():
    cube = np.random.default_rng(1).normal(size=(3, 3, 3))
    assert relation_of([of_matmul(cube, cube[::-1])]) == ("other", "is wrong where all sizes are equal (batch)")


def test_a_number_added_to_the_operand_is_found_and_another_mistake_is_not_one():
    assert "1e-08 added" in value_relation_of([of_log(1e-8)])
    half = of_log(0.0)
    wrong = Observation("log", "plain", "", half.right / 2, half.right, None, half.right, {}, {}, half.slope)
    assert value_relation_of([wrong]) == "is 0.5 times what it should be"


def test_a_loss_that_ignores_its_cotangent_is_said_to():
    a = np.random.default_rng(2).normal(size=(4, 3))
    slope = np.exp(a) / np.exp(a).sum()
    seen = [
        Observation("logsumexp", "plain", "a", slope, slope * c, np.array(c), np.log(np.exp(a).sum()), {"a": a}, {}) for c in (0.5, -1.25)
    ]
    assert relation_of(seen)[0] == "cotangent-dropped"


def test_an_index_that_overwrites_is_said_to_and_one_that_loses_the_first_is_not():
    a, c = np.arange(5.0), np.array([0.5, -1.25, 2.0, 0.75])
    right = np.array([0.0, 0.5 - 1.25 + 0.75, 0.0, 2.0, 0.0])
    last = np.array([0.0, 0.75, 0.0, 2.0, 0.0])
    kept = Observation("getitem", "repeated", "a", last, right, c, a[[1, 1, 3, 1]], {"a": a}, {}, assigned=last)
    assert relation_of([kept])[0] == "index-overwritten"
    other = replace(kept, claimed=np.array([0.0, -1.25 + 0.75, 0.0, 2.0, 0.0]))
    assert relation_of([other])[0] == "other"


def test_a_factor_that_depends_on_the_sizes_is_told_for_each_and_a_gradient_without_one_has_none():
    def of(shape, factor):
        right = np.random.default_rng(len(shape)).normal(size=shape)
        return Observation("mse_loss", "plain", "a", factor * right, right, np.array(1.0), np.array(2.0), {"a": right}, {})

    seen = [of((4, 3), -3.0), of((5, 2), -2.0), of((5,), -1.0)]
    words = "is off by a factor that depends on the sizes (-3 for shape (4, 3), -2 for shape (5, 2), -1 for shape (5,))"
    assert relation_of(seen) == ("factor-by-size", words)
    assert relation_of([*seen, of((4, 3), np.arange(1.0, 4.0))])[0] == "other"
    assert relation_of([*seen, of((4, 3), 2.0)])[0] == "other"
