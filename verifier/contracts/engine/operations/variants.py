"""Operations that go by one name and are several: an engine whose values are those of another definition is judged by that one.

A node says which it is by the option `graph.VARIANT`, which is never sent to the engine.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from verifier.contracts.engine.operations.elementwise import leaky_relu, sigmoid
from verifier.contracts.engine.operations.joining import SCANS, reducing
from verifier.contracts.engine.operations.losses import (
    binary_cross_entropy,
    binary_cross_entropy_of_logits,
    cross_entropy,
    layer_norm,
    likelihood,
    squared_error,
)

KEPT = "its axes are kept"
ROWS = "summed over a row, the mean over the rows"
REDUCING: Mapping[str, Callable[..., Any]] = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "amax": np.max, "amin": np.min}
SLOPES = (0.1, 0.2, 0.02, 0.05, 0.3, 0.25, 0.001)  # leaky_relu's, where the engine fixes one
EPSILONS = (1e-6, 1e-8, 1e-12, 1e-3, 0.0)  # layer_norm's


def _over_rows(elements: np.ndarray) -> Any:
    """Their sum, divided by the number of rows."""
    return np.sum(elements) / len(elements)


def _kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction that keeps the axes, whatever it is asked."""
    return lambda a, axis=None, keepdims=False: reducing(function)(a, axis, True)


# Along which axis an entry goes that takes none: the last one, unless it is one of these.
ALONG: Mapping[str, int | None] = {"along the first axis": 0, "along axis 1": 1, "over all elements": None}


SCANNED: Mapping[str, Callable[..., Any]] = {one.name: one.forward for one in SCANS}


def _along(function: Callable[..., Any], axis: int | None) -> Callable[..., Any]:
    """An operation over one axis, or over all elements as over a vector, that is given back in the shape of the array."""

    def over(a: np.ndarray, **options: Any) -> Any:
        return function(a, axis=axis) if axis is not None else np.reshape(function(np.ravel(a)), a.shape)

    return over


VARIANTS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    **{name: {KEPT: _kept(function)} for name, function in REDUCING.items()},
    **{name: {words: _along(SCANNED[name], axis) for words, axis in ALONG.items()} for name in SCANNED},
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
        ROWS: partial(squared_error, over=_over_rows),
        "half the mean over the rows": lambda a, target: squared_error(a, target, _over_rows) / 2,
        "half the mean": lambda a, target: squared_error(a, target) / 2,
        "half the sum": lambda a, target: squared_error(a, target, np.sum) / 2,
    },
    "binary_cross_entropy": {"sum": partial(binary_cross_entropy, over=np.sum), ROWS: partial(binary_cross_entropy, over=_over_rows)},
    "binary_cross_entropy_with_logits": {
        "sum": partial(binary_cross_entropy_of_logits, over=np.sum),
        ROWS: partial(binary_cross_entropy_of_logits, over=_over_rows),
    },
    "linear": {"its weight is (in, out)": lambda x, weight, bias=0.0: x @ weight + bias},
    "cross_entropy": {"sum": partial(cross_entropy, over=np.sum)},
    "nll_loss": {"sum": partial(likelihood, over=np.sum)},
}
