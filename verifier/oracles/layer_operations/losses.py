"""Losses of scores, probabilities and values, reduced as the variant says."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from verifier.oracles.layer_operations.reference import Reference, Tensors, Values


def _reduced(values: Values, each: Tensor, rows: int, size: int) -> Tensor:
    """The sum over everything, times the reduction's share: "mean" is over samples, "all" over elements, "half" has the factor 1/2."""
    kind = str(values["reduction"])
    share = 0.5 if kind.startswith("half") else 1.0
    return each.sum() * share / {"mean": rows, "half_mean": rows, "all": size, "half_all": size}.get(kind, 1)


def _of_elements(each: Tensor, values: Values) -> Tensor:
    return _reduced(values, each, each.shape[0] if each.ndim else 1, each.numel())


def _logarithms(scores: Tensor, values: Values) -> Tensor:
    """log softmax; with an ε beside the probability where the value "inside_log" says one."""
    if "inside_log" in values:
        return torch.log(torch.softmax(scores, -1) + float(values["inside_log"]))
    return torch.log_softmax(scores, -1)


def _hot(given: Tensors) -> Tensor:
    x, y = given["x"], given["y"]
    return functional.one_hot(y, x.shape[-1]).to(x.dtype) if y.ndim < x.ndim else y.to(x.dtype)


def cross_entropy(given: Tensors, values: Values) -> Tensor:
    """Softmax and cross-entropy of scores x, for classes or rows of probabilities y."""
    each = -_hot(given) * _logarithms(given["x"], values)
    return _reduced(values, each, given["x"].shape[0], given["x"].numel())


def margins(given: Tensors, values: Values) -> Tensor:
    """The hinge loss of every wrong class, margin 1."""
    x, hot = given["x"], _hot(given)
    each = torch.relu(x - (x * hot).sum(-1, keepdim=True) + 1) * (1 - hot)
    return _reduced(values, each, x.shape[0], x.numel())


def _smooth_l1(given: Tensors, values: Values) -> Tensor:
    return _of_elements(functional.smooth_l1_loss(given["x"], given["y"], reduction="none"), values)


def _probabilities(given: Tensors, values: Values) -> Tensor:
    x, y, beside = given["x"], given["y"].to(given["x"].dtype), float(values.get("inside_log", 0.0))
    return _of_elements(-(y * torch.log(x + beside) + (1 - y) * torch.log1p(-x + beside)), values)


def _logits(given: Tensors, values: Values) -> Tensor:
    y = given["y"].to(given["x"].dtype)
    if "inside_log" in values:
        return _probabilities({"x": torch.sigmoid(given["x"]), "y": y}, values)
    return _of_elements(functional.binary_cross_entropy_with_logits(given["x"], y, reduction="none"), values)


def _over_steps(given: Tensors, values: Values) -> Tensor:
    each = -_hot(given) * torch.log_softmax(given["x"], -1) * given["mask"].to(given["x"].dtype)[..., None]
    return each.sum() / given["x"].shape[0]


REFERENCES: Mapping[str, Reference] = {
    "cross_entropy": Reference(cross_entropy, ("reduction",)),
    "multi_margin_loss": Reference(margins, ("reduction",)),
    "mse_loss": Reference(lambda g, v: _of_elements((g["x"] - g["y"]) ** 2, v), ("reduction",)),
    "l1_loss": Reference(lambda g, v: _of_elements((g["x"] - g["y"]).abs(), v), ("reduction",)),
    "smooth_l1_loss": Reference(_smooth_l1, ("reduction",)),
    "binary_cross_entropy": Reference(_probabilities, ("reduction",)),
    "binary_cross_entropy_with_logits": Reference(_logits, ("reduction",)),
    "temporal_softmax_loss": Reference(_over_steps),
}
