"""The outputs of a layer's operation by PyTorch, in the catalogue's usual layout, for operations that leave no room for conventions."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from verifier.oracles.dispatched.measuring import measure
from verifier.results.evaluation import FloatArray

Tensors = Mapping[str, Tensor]
Values = Mapping[str, Any]
Operation = Callable[[Tensors, Values], Tensor]


def _affine(given: Tensors, values: Values) -> Tensor:
    x, w = given["x"], given["w"]
    rows = x if x.shape[-1] == w.shape[0] else x.reshape(x.shape[0], -1)
    return rows @ w + given["b"] if "b" in given else rows @ w


def _convolution(given: Tensors, values: Values) -> Tensor:
    return functional.conv2d(given["x"], given["w"], given.get("b"), stride=int(values["stride"]), padding=int(values["pad"]))


def _largest(given: Tensors, values: Values) -> Tensor:
    window = (int(values["pool_height"]), int(values["pool_width"]))
    return functional.max_pool2d(given["x"], window, stride=int(values["stride"]))


def _mean(given: Tensors, values: Values) -> Tensor:
    window = (int(values["pool_height"]), int(values["pool_width"]))
    return functional.avg_pool2d(given["x"], window, stride=int(values["stride"]))


def _recurrent_step(given: Tensors, values: Values) -> Tensor:
    return torch.tanh(given["x"] @ given["Wx"] + given["prev_h"] @ given["Wh"] + given["b"])


def _embedded(given: Tensors, values: Values) -> Tensor:
    return given["W"][given["x"]]


OPERATIONS: Mapping[str, tuple[Operation, tuple[str, ...]]] = {
    "affine": (_affine, ()),
    "relu": (lambda given, _: functional.relu(given["x"]), ()),
    "sigmoid": (lambda given, _: torch.sigmoid(given["x"]), ()),
    "tanh": (lambda given, _: torch.tanh(given["x"]), ()),
    "softmax": (lambda given, _: torch.softmax(given["x"], -1), ()),
    "log_softmax": (lambda given, _: torch.log_softmax(given["x"], -1), ()),
    "conv2d": (_convolution, ("stride", "pad")),
    "max_pool2d": (_largest, ("pool_height", "pool_width", "stride")),
    "avg_pool2d": (_mean, ("pool_height", "pool_width", "stride")),
    "rnn_step": (_recurrent_step, ()),
    "embedding": (_embedded, ()),
}
"""By name: the outputs from arrays under their usual names, and the options that must be known."""


def outputs_of(operation: str, arrays: Mapping[str, Any], values: Values, *, dtype: str) -> tuple[FloatArray, FloatArray]:
    """The outputs in float64, and the tolerance of each for a candidate that computes in `dtype`."""
    function, _ = OPERATIONS[operation]
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    narrow = torch.float32 if dtype == "float32" else torch.float64
    found = measure(lambda given: function(given, values), tensors, None, differentiate=(), dtype=narrow)
    return found.outputs["output"], found.output_tolerance("output")
