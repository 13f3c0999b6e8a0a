"""Normalisation: over the axes that the candidate's letters say, or over groups of channels."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from verifier.oracles.layer_operations.reference import Reference, Tensors, Values


def _scaled(normal: Tensor, given: Tensors) -> Tensor:
    scaled = normal * given["gamma"] if "gamma" in given else normal
    return scaled + given["beta"] if "beta" in given else scaled


def _normalised(given: Tensors, values: Values) -> Tensor:
    """Mean and variance of x over the axes."""
    x, axes = given["x"], list(values["axes"])
    centred = x - x.mean(axes, keepdim=True)
    return _scaled(centred / torch.sqrt((centred**2).mean(axes, keepdim=True) + float(values["eps"])), given)


def _batch_norm(given: Tensors, values: Values) -> Tensor:
    if values["mode"] == "train":
        return _normalised(given, values)
    deviation = torch.sqrt(given["running_var"] + float(values["eps"]))
    return _scaled((given["x"] - given["running_mean"]) / deviation, given)


def _root_mean_square(given: Tensors, values: Values) -> Tensor:
    x = given["x"]
    return _scaled(x / torch.sqrt((x**2).mean(list(values["axes"]), keepdim=True) + float(values["eps"])), given)


def _group_norm(given: Tensors, values: Values) -> Tensor:
    gamma, beta = (given[name].reshape(-1) if name in given else None for name in ("gamma", "beta"))
    return functional.group_norm(given["x"], int(values["G"]), gamma, beta, float(values["eps"]))


REFERENCES: Mapping[str, Reference] = {
    "batch_norm": Reference(_batch_norm, ("eps", "mode"), as_they_lie=True),
    "layer_norm": Reference(_normalised, ("eps",), as_they_lie=True),
    "instance_norm": Reference(_normalised, ("eps",), as_they_lie=True),
    "rms_norm": Reference(_root_mean_square, ("eps",), as_they_lie=True),
    "group_norm": Reference(_group_norm, ("eps", "G")),
}
