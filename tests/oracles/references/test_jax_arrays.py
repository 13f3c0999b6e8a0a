"""JAX computes in float32 unless it is told: its right functions are judged in that; NumPy's float32 inside float64 stays a mistake.

The arrays here only say that they are JAX's; `reference_impls/third_party` has JAX itself.
"""

import numpy as np
import pytest
import torch

from verifier import assert_gradients
from verifier.oracles.references.jax_arrays import NARROWER


class Array(np.ndarray):
    pass


Array.__module__ = "jaxlib._jax"


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, dtype=np.float32)))


def silu(x):
    return (np.asarray(x, dtype=np.float32) * sigmoid(x)).view(Array)


def slope(x, cotangent):
    s = sigmoid(x)
    return np.asarray(cotangent, dtype=np.float32) * (s + np.asarray(x, dtype=np.float32) * s * (1 - s))


def asked(forward, backward, x):
    return assert_gradients(forward, backward, x, reference=torch.nn.functional.silu, shapes=("N C",), seed=0, draws=5)


X = np.random.default_rng(0).normal(size=(4, 3))


def test_a_function_of_jax_is_judged_in_float32_where_it_computes_in_that():
    for given in (X, X.view(Array)):
        found = asked(silu, slope, given)
        assert (found.precision, NARROWER in found.notes) == ("float32", True)
    assert NARROWER not in asked(silu, slope, X.astype(np.float32)).notes
    with pytest.raises(AssertionError, match="the gradient of x is not the reference's"):
        asked(silu, lambda x, cotangent: 1.001 * slope(x, cotangent), X)


def test_float32_inside_a_numpy_function_of_float64_is_still_said():
    with pytest.raises(AssertionError, match="is a part of it computed in a narrower type"):
        asked(lambda x: np.asarray(silu(x)).view(np.ndarray).copy(), slope, X)
