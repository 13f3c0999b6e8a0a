"""Operations that go by one name and are several: an engine whose values are those of another definition is judged by that one.

A node says which it is by the option `variant`, which is never sent to the engine.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from verifier.contracts.engine.operations.elementwise import leaky_relu, sigmoid
from verifier.contracts.engine.operations.joining import reducing
from verifier.contracts.engine.operations.losses import (
    binary_cross_entropy,
    binary_cross_entropy_of_logits,
    cross_entropy,
    layer_norm,
    likelihood,
    squared_error,
)

VARIANT = "variant"
KEPT = "its axes are kept"
REDUCING: Mapping[str, Callable[..., Any]] = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "amax": np.max, "amin": np.min}
SLOPES = (0.1, 0.2, 0.02, 0.05, 0.3, 0.25, 0.001)  # leaky_relu's, where the engine fixes one
EPSILONS = (1e-6, 1e-8, 1e-12, 1e-3, 0.0)  # layer_norm's


def _kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction that keeps the axes, whatever it is asked."""
    return lambda a, axis=None, keepdims=False: reducing(function)(a, axis, True)


VARIANTS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    **{name: {KEPT: _kept(function)} for name, function in REDUCING.items()},
    "gelu": {
        "by tanh": lambda a: 0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3))),
        "by sigmoid": lambda a: a * sigmoid(1.702 * a),
    },
    "hardsigmoid": {"slope 0.2": lambda a: np.clip(0.2 * a + 0.5, 0, 1)},
    "leaky_relu": {f"slope {slope:g}": partial(leaky_relu, negative_slope=slope) for slope in SLOPES},
    "var": {"over N": reducing(np.var)},
    "std": {"over N": reducing(np.std)},
    "transpose": {"last two axes": lambda a: np.swapaxes(a, -1, -2)},
    "flatten": {"all but the first axis": lambda a: np.reshape(a, (a.shape[0], -1))},
    "layer_norm": {f"epsilon {eps:g}": partial(layer_norm, eps=eps) for eps in EPSILONS},
    "mse_loss": {
        "sum": partial(squared_error, over=np.sum),
        "half the mean": lambda a, target: squared_error(a, target) / 2,
        "half the sum": lambda a, target: squared_error(a, target, np.sum) / 2,
    },
    "binary_cross_entropy": {"sum": partial(binary_cross_entropy, over=np.sum)},
    "binary_cross_entropy_with_logits": {"sum": partial(binary_cross_entropy_of_logits, over=np.sum)},
    "cross_entropy": {"sum": partial(cross_entropy, over=np.sum)},
    "nll_loss": {"sum": partial(likelihood, over=np.sum)},
}
