"""Losses and layers that some engines have as one operation each."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from verifier.arrays import Array
from verifier.contracts.engine.operations.elementwise import softplus
from verifier.contracts.engine.operations.joining import log_softmax
from verifier.contracts.engine.operations.operation import REAL, Domain, Operation

PROBABILITY = Domain(0.1, 0.9)
Reduce = Callable[..., Any]


def squared_error(a: Array, target: Array, over: Reduce = np.mean) -> Any:
    """One number, the mean of (a - target)²; both have one shape. `over` is what reduces, here and below."""
    return over((a - target) ** 2)


def binary_cross_entropy(a: Array, target: Array, over: Reduce = np.mean) -> Any:
    """One number, the mean of -(t log a + (1 - t) log(1 - a)); a and target t have one shape and lie inside (0, 1)."""
    return -over(target * np.log(a) + (1 - target) * np.log(1 - a))


def binary_cross_entropy_of_logits(a: Array, target: Array, over: Reduce = np.mean) -> Any:
    """The same for σ(a), as log(1 + eᵃ) - t a, which does not overflow."""
    return over(softplus(a) - target * a)


def cross_entropy(logits: Array, labels: Array, over: Reduce = np.mean) -> Any:
    """One number, the mean of -log softmax at the labels; logits (N, C), labels (N,) of whole numbers."""
    return likelihood(log_softmax(logits), labels, over)


def likelihood(logs: Array, labels: Array, over: Reduce = np.mean) -> Any:
    """One number, the mean of the negative log-probabilities at the labels; logs (N, C), labels (N,) of whole numbers."""
    return -over(logs[np.arange(len(labels)), labels])


def layer_norm(x: Array, weight: Array, bias: Array, eps: float = 1e-5) -> Any:
    """Normalised over the last axis, then scaled and shifted; weight and bias have its length (Ba, Kiros and Hinton 2016)."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias


def _conv2d(x: Array, weight: Array, bias: Array | float = 0.0, stride: int = 1, padding: int = 0) -> Any:
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,dcij->ndhw", windows, weight) + np.reshape(bias, (-1, 1, 1))


def _pool(over: Reduce) -> Callable[..., Any]:
    def forward(x: Array, kernel_size: int, stride: int | None = None) -> Any:
        step = stride or kernel_size
        return over(sliding_window_view(x, (kernel_size, kernel_size), axis=(2, 3))[:, :, ::step, ::step], axis=(4, 5))

    return forward


LOSSES = (
    Operation("mse_loss", "loss", squared_error),
    Operation("binary_cross_entropy", "loss", binary_cross_entropy, (PROBABILITY, PROBABILITY)),
    Operation("binary_cross_entropy_with_logits", "loss", binary_cross_entropy_of_logits, (REAL, PROBABILITY)),
    Operation("cross_entropy", "labels", cross_entropy),
    Operation("nll_loss", "labels", likelihood),
)

LAYERS = (
    Operation("linear", "layer", lambda x, weight, bias=0.0: x @ weight.T + bias),
    Operation("embedding", "layer", lambda indices, weight: weight[indices]),
    Operation("layer_norm", "layer", layer_norm, options=("eps",)),
    Operation("conv2d", "layer", _conv2d, options=("stride", "padding")),
    Operation("max_pool2d", "layer", _pool(np.max), options=("kernel_size", "stride"), required=("kernel_size",)),
    Operation("avg_pool2d", "layer", _pool(np.mean), options=("kernel_size", "stride"), required=("kernel_size",)),
)
