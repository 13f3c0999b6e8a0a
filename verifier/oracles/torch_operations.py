"""Each operation's PyTorch reference, under the name of the catalogue, right to the last bits: the derivative is PyTorch's own."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

Attributes = Mapping[str, float]
Reference = Callable[[tuple[Tensor, ...], Attributes], Tensor]


def _affine(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    return functional.linear(inputs[0], inputs[1], inputs[2] if len(inputs) == 3 else None)


def _softplus(z: Tensor) -> Tensor:
    # torch's softplus is linear above 20: 2e-9 off there, and so is its derivative.
    return -functional.logsigmoid(-z)


def _inside(p: Tensor, attributes: Attributes) -> Tensor:
    bound = attributes.get("clip_output")
    return p if bound is None else torch.clamp(p, bound, 1 - bound)


def _weighted(weight: Tensor, value: Tensor) -> Tensor:
    """weight · value, 0 with derivative 0 where the weight is 0."""
    return torch.where(weight == 0, 0.0, weight * torch.where(weight == 0, 1.0, value))


def _cross_entropy(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    p, y = _inside(inputs[0], attributes) + attributes.get("log_epsilon", 0.0), inputs[1]
    return -_weighted(y, torch.where(y == 0, 1.0, p).log()).sum(-1)


def _binary_cross_entropy(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    p, y, epsilon = _inside(inputs[0], attributes), inputs[1], attributes.get("log_epsilon", 0.0)
    positive = _weighted(y, torch.where(y == 0, 1.0, p + epsilon).log())
    negative = _weighted(1 - y, torch.where(y == 1, 1.0, 1 - p + epsilon).log())
    return -(positive + negative).sum(-1)


def _binary_with_logits(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    z, y = inputs
    return -(y * functional.logsigmoid(z) + (1 - y) * functional.logsigmoid(-z)).sum(-1)


def _l2(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    return attributes["factor"] * torch.stack([weights.square().sum() for weights in inputs]).sum()


TORCH_OPERATIONS: dict[str, Reference] = {
    "affine": _affine,
    "sigmoid": lambda inputs, _: torch.sigmoid(inputs[0]),
    "tanh": lambda inputs, _: torch.tanh(inputs[0]),
    "relu": lambda inputs, _: torch.relu(inputs[0]),
    "leaky_relu": lambda inputs, attributes: functional.leaky_relu(inputs[0], attributes["leaky_slope"]),
    "softplus": lambda inputs, _: _softplus(inputs[0]),
    "identity": lambda inputs, _: inputs[0],
    "clip_preactivation": lambda inputs, attributes: torch.clamp(inputs[0], -attributes["bound"], attributes["bound"]),
    "softmax": lambda inputs, _: torch.softmax(inputs[0], -1),
    "squared_error": lambda inputs, _: (inputs[0] - inputs[1]).square().sum(-1),
    "half_squared_error": lambda inputs, _: 0.5 * (inputs[0] - inputs[1]).square().sum(-1),
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "softmax_cross_entropy": lambda inputs, _: -(inputs[1] * torch.log_softmax(inputs[0], -1)).sum(-1),
    "binary_cross_entropy_with_logits": _binary_with_logits,
    "reduce": lambda inputs, attributes: inputs[0].sum() / attributes["divisor"],
    "l2": _l2,
    "total": lambda inputs, attributes: attributes["scale"] * torch.stack([part.reshape(()) for part in inputs]).sum(),
}
