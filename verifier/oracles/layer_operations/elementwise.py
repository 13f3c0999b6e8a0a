"""Functions of one element each, and softmax."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from verifier.oracles.layer_operations.reference import Reference, Tensors, Values


def _of_x(function: Callable[[Tensor], Tensor], *, settled: bool = False) -> Reference:
    return Reference(lambda given, _: function(given["x"]), settled=settled)


def _gelu(given: Tensors, values: Values) -> Tensor:
    x, kind = given["x"], str(values["approximate"])
    return x * torch.sigmoid(1.702 * x) if kind == "sigmoid" else functional.gelu(x, approximate=kind)


def _prelu(given: Tensors, values: Values) -> Tensor:
    return torch.where(given["x"] > 0, given["x"], given["a"] * given["x"])


def _dropout(given: Tensors, values: Values) -> Tensor:
    """With the candidate's own mask; p is the share that is kept or dropped, and what is kept may be scaled in training or in test."""
    kept = float(values["p"]) if values["p_is"] == "kept" else 1.0 - float(values["p"])
    inverted = values["scaled"] == "in training"
    if values["mode"] == "train":
        return given["x"] * given["mask"] / (kept if inverted else 1.0)
    return given["x"] * (1.0 if inverted else kept)


REFERENCES: Mapping[str, Reference] = {
    "relu": _of_x(functional.relu, settled=True),
    "leaky_relu": Reference(lambda g, v: functional.leaky_relu(g["x"], float(v["negative_slope"])), ("negative_slope",)),
    "sigmoid": _of_x(torch.sigmoid, settled=True),
    "tanh": _of_x(torch.tanh, settled=True),
    "gelu": Reference(_gelu, ("approximate",)),
    "elu": Reference(lambda g, v: functional.elu(g["x"], float(v["alpha"])), ("alpha",)),
    "selu": _of_x(functional.selu),
    "softplus": _of_x(functional.softplus),
    "silu": Reference(lambda g, v: g["x"] * torch.sigmoid(float(v["beta"]) * g["x"]), ("beta",)),
    "mish": _of_x(functional.mish),
    "softsign": _of_x(functional.softsign),
    "hardtanh": _of_x(functional.hardtanh),
    "relu6": _of_x(functional.relu6),
    "hardsigmoid": Reference(lambda g, v: torch.clamp(float(v["slope"]) * g["x"] + 0.5, 0.0, 1.0), ("slope",)),
    "identity": _of_x(lambda x: x * 1.0, settled=True),
    "exp": _of_x(torch.exp),
    "abs": _of_x(torch.abs, settled=True),
    "prelu": Reference(_prelu),
    "dropout": Reference(_dropout, ("p", "mode", "p_is", "scaled")),
    "softmax": Reference(lambda g, v: torch.softmax(g["x"], int(v["axis"])), ("axis",), settled=True),
    "log_softmax": Reference(lambda g, v: torch.log_softmax(g["x"], int(v["axis"])), ("axis",), settled=True),
}
