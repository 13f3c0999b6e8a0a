"""Convolution and pooling. `flip` turns the filter over, as a convolution of mathematics does."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from verifier.oracles.layer_operations.reference import Reference, Tensors, Values


def _weight(given: Tensors, values: Values) -> Tensor:
    w = given["w"]
    return w.flip(tuple(range(2, w.ndim))) if values["flip"] else w


def _convolved(convolution: Any) -> Reference:
    def call(given: Tensors, values: Values) -> Tensor:
        x, w = given["x"], _weight(given, values)
        if values["pad"] == "same":
            ends = [end for size in reversed(w.shape[2:]) for end in ((size - 1) // 2, size // 2)]
            found: Tensor = convolution(functional.pad(x, ends), w, given.get("b"), stride=int(values["stride"]))
            return found
        padded: Tensor = convolution(x, w, given.get("b"), stride=int(values["stride"]), padding=int(values["pad"]))
        return padded

    return Reference(call, ("stride", "pad", "flip"), settled=True)


def _spread(given: Tensors, values: Values) -> Tensor:
    stride, pad = int(values["stride"]), int(values["pad"])
    return functional.conv_transpose2d(given["x"], _weight(given, values), given.get("b"), stride=stride, padding=pad)


def _window(values: Values) -> tuple[int, int]:
    if "pool_height" in values and "pool_width" in values:
        return int(values["pool_height"]), int(values["pool_width"])
    return int(values["window"]), int(values["window"])


def _pooled(pooling: Any) -> Reference:
    def call(given: Tensors, values: Values) -> Tensor:
        window = _window(values)
        stride = window if values["stride"] == "window" else int(values["stride"])
        found: Tensor = pooling(given["x"], window, stride=stride, padding=int(values["pad"]), ceil_mode=bool(values["ceil"]))
        return found

    return Reference(call, ("window", "stride", "pad", "ceil"), settled=True)


def _pooled_along(given: Tensors, values: Values) -> Tensor:
    return functional.max_pool1d(given["x"], int(values["window"]), stride=int(values["stride"]))


REFERENCES: Mapping[str, Reference] = {
    "conv2d": _convolved(functional.conv2d),
    "conv1d": _convolved(functional.conv1d),
    "conv_transpose2d": Reference(_spread, ("stride", "pad", "flip")),
    "max_pool2d": _pooled(functional.max_pool2d),
    "avg_pool2d": _pooled(functional.avg_pool2d),
    "max_pool1d": Reference(_pooled_along, ("window", "stride"), settled=True),
    "flatten": Reference(lambda given, _: torch.flatten(given["x"], 1) * 1.0, settled=True),
}
