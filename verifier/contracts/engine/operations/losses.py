"""Losses and layers that some engines have as one operation each."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from verifier.arrays import Array
from verifier.contracts.engine.operations.elementwise import softplus
from verifier.contracts.engine.operations.joining import log_softmax
from verifier.contracts.engine.operations.operation import REAL, Domain, Operation

PROBABILITY = Domain(0.1, 0.9)


def _of_labels(logs: Array, labels: Array) -> Array:
    return np.asarray(-np.mean(logs[np.arange(len(labels)), labels]))


def _binary_cross_entropy(a: Array, target: Array) -> Array:
    return np.asarray(-np.mean(target * np.log(a) + (1 - target) * np.log(1 - a)))


def _layer_norm(x: Array, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias)


def _conv2d(x: Array, weight: Array, bias: Array | float = 0.0, stride: int = 1, padding: int = 0) -> Array:
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.asarray(np.einsum("nchwij,dcij->ndhw", windows, weight) + np.reshape(bias, (-1, 1, 1)))


def _pool(function: Callable[..., Array]) -> Callable[..., Array]:
    def forward(x: Array, kernel_size: int, stride: int | None = None) -> Array:
        step = stride or kernel_size
        windows = sliding_window_view(x, (kernel_size, kernel_size), axis=(2, 3))[:, :, ::step, ::step]
        return np.asarray(function(windows, axis=(4, 5)))

    return forward


LOSSES = (
    Operation("mse_loss", "loss", lambda a, target: np.asarray(np.mean((a - target) ** 2))),
    Operation("binary_cross_entropy", "loss", _binary_cross_entropy, (PROBABILITY, PROBABILITY)),
    Operation(
        "binary_cross_entropy_with_logits", "loss", lambda a, target: np.asarray(np.mean(softplus(a) - target * a)), (REAL, PROBABILITY)
    ),
    Operation("cross_entropy", "labels", lambda logits, labels: _of_labels(log_softmax(logits, -1), labels)),
    Operation("nll_loss", "labels", _of_labels),
)

LAYERS = (
    Operation("linear", "layer", lambda x, weight, bias=0.0: np.asarray(x @ weight.T + bias)),
    Operation("embedding", "layer", lambda indices, weight: np.asarray(weight[indices])),
    Operation("layer_norm", "layer", _layer_norm, options=("eps",)),
    Operation("conv2d", "layer", _conv2d, options=("stride", "padding")),
    Operation("max_pool2d", "layer", _pool(np.max), options=("kernel_size", "stride"), required=("kernel_size",)),
    Operation("avg_pool2d", "layer", _pool(np.mean), options=("kernel_size", "stride"), required=("kernel_size",)),
)
