"""Operations that go by one name and are several: an engine whose values are those of another definition is judged by that one.

A node says which it is by the option `variant`, which is never sent to the engine.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.operations.elementwise import sigmoid, softplus
from verifier.contracts.engine.operations.joining import Axis, log_softmax

VARIANT = "variant"
KEPT = "its axes are kept"
REDUCING: Mapping[str, Callable[..., Any]] = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "amax": np.max, "amin": np.min}
SLOPES = (0.1, 0.2, 0.02, 0.05, 0.3, 0.25, 0.001)  # leaky_relu's, where the engine fixes one
EPSILONS = (1e-6, 1e-8, 1e-12, 1e-3, 0.0)  # layer_norm's


def _gelu_by_tanh(a: Array) -> Array:
    return np.asarray(0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3))))


def _over_all(function: Callable[..., Any]) -> Callable[..., Array]:
    def forward(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        return np.asarray(function(a, axis=tuple(axis) if isinstance(axis, list | tuple) else axis, keepdims=keepdims))

    return forward


def _leaky(slope: float) -> Callable[..., Array]:
    return lambda a: np.where(a > 0, a, slope * a)


def _layer_norm(eps: float) -> Callable[..., Array]:
    def forward(x: Array, weight: Array, bias: Array) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        return np.asarray(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias)

    return forward


def _entropy_of(a: Array, target: Array) -> Array:
    return np.asarray(-np.sum(target * np.log(a) + (1 - target) * np.log(1 - a)))


def _of_labels(logs: Array, labels: Array) -> Array:
    return np.asarray(-np.sum(logs[np.arange(len(labels)), labels]))


def _kept(function: Callable[..., Any]) -> Callable[..., Array]:
    """A reduction that keeps the axes, whatever it is asked."""

    def forward(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        return np.asarray(function(a, axis=tuple(axis) if isinstance(axis, list | tuple) else axis, keepdims=True))

    return forward


VARIANTS: Mapping[str, Mapping[str, Callable[..., Array]]] = {
    **{name: {KEPT: _kept(function)} for name, function in REDUCING.items()},
    "gelu": {"by tanh": _gelu_by_tanh, "by sigmoid": lambda a: np.asarray(a * sigmoid(1.702 * a))},
    "hardsigmoid": {"slope 0.2": lambda a: np.clip(0.2 * a + 0.5, 0, 1)},
    "leaky_relu": {f"slope {slope:g}": _leaky(slope) for slope in SLOPES},
    "var": {"over N": _over_all(np.var)},
    "std": {"over N": _over_all(np.std)},
    "transpose": {"last two axes": lambda a: np.swapaxes(a, -1, -2)},
    "flatten": {"all but the first axis": lambda a: np.reshape(a, (a.shape[0], -1))},
    "layer_norm": {f"epsilon {eps:g}": _layer_norm(eps) for eps in EPSILONS},
    "mse_loss": {
        "sum": lambda a, target: np.asarray(np.sum((a - target) ** 2)),
        "half the mean": lambda a, target: np.asarray(np.mean((a - target) ** 2) / 2),
        "half the sum": lambda a, target: np.asarray(np.sum((a - target) ** 2) / 2),
    },
    "binary_cross_entropy": {"sum": _entropy_of},
    "binary_cross_entropy_with_logits": {"sum": lambda a, target: np.asarray(np.sum(softplus(a) - target * a))},
    "cross_entropy": {"sum": lambda logits, labels: _of_labels(log_softmax(logits, -1), labels)},
    "nll_loss": {"sum": _of_labels},
}
