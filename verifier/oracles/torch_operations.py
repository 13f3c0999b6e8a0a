"""Each operation's PyTorch reference, under the name of the catalogue, right to the last bits: the derivative is PyTorch's own.

PyTorch's ready-made σ, tanh and softmax differentiate as y(1 - y) and the like, which has no digits left where y is near 1. Here they are
composed of powers e^-|…| ≤ 1, whose sums have one sign: value and derivative keep their digits in saturation too.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from verifier import plugins
from verifier.problems.operations import log_epsilons

Attributes = Mapping[str, float]
Reference = Callable[[tuple[Tensor, ...], Attributes], Tensor]


def _affine(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    return functional.linear(inputs[0], inputs[1], inputs[2] if len(inputs) == 3 else None)


def _sigmoid(z: Tensor) -> Tensor:
    small = torch.exp(torch.where(z < 0, z, -z))  # not -|z|: its derivative at 0 would be 0
    return torch.where(z < 0, small, 1.0) / (1.0 + small)


def _tanh(z: Tensor) -> Tensor:
    small = torch.exp(torch.where(z < 0, 2 * z, -2 * z))
    return torch.where(z.abs() < 0.5, torch.tanh(z), torch.sign(z) * (1.0 - small) / (1.0 + small))


def _softplus(z: Tensor, attributes: Attributes) -> Tensor:
    # torch's softplus is linear above 20: 2e-9 off there, and so is its derivative. Claims may say that it is meant.
    exact = -functional.logsigmoid(-z)
    return torch.where(z > attributes["softplus_threshold"], z, exact) if "softplus_threshold" in attributes else exact


def _below_largest(z: Tensor) -> tuple[Tensor, Tensor]:
    """z less its largest entry, which gets an exact 0 without derivative; and Σ e^z over the other entries."""
    largest = functional.one_hot(z.detach().argmax(-1), z.shape[-1]).bool()
    below = torch.where(largest, 0.0, z - z.masked_select(largest).reshape(*z.shape[:-1], 1))
    return below, torch.where(largest, 0.0, below.exp()).sum(-1, keepdim=True)


def _softmax(z: Tensor, attributes: Attributes) -> Tensor:
    if "softmax_epsilon" in attributes:  # the shift is no part of the derivative: p ⊙ (g - Σ g p), as everybody writes it
        powers = torch.exp(z - z.detach().amax(-1, keepdim=True))
        return powers / (powers.sum(-1, keepdim=True) + attributes["softmax_epsilon"])
    below, others = _below_largest(z)
    return below.exp() / (1.0 + others)


def _softmax_cross_entropy(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    below, others = _below_largest(inputs[0])
    return -(inputs[1] * (below - torch.log1p(others))).sum(-1)


def _inside(p: Tensor, attributes: Attributes) -> Tensor:
    low = attributes.get("clip_output")
    return p if low is None else torch.clamp(p, low, attributes.get("clip_output_high", 1 - low))


def _weighted(weight: Tensor, value: Tensor) -> Tensor:
    """weight · value, 0 with derivative 0 where the weight is 0."""
    return torch.where(weight == 0, 0.0, weight * torch.where(weight == 0, 1.0, value))


def _logarithm(p: Tensor, complement: Tensor, epsilon: float) -> Tensor:
    """log(p + ε) from p and 1 - p: near 1 the complement has the digits."""
    near_one = p > 0.5
    of_complement = torch.log1p(epsilon - torch.where(near_one, complement, 0.0))
    return torch.where(near_one, of_complement, torch.where(near_one, 1.0, p + epsilon).log())


def _cross_entropy(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    p, y, epsilon = _inside(inputs[0], attributes), inputs[1], attributes.get("log_epsilon", 0.0)
    p = torch.where(y == 0, 1.0, p)
    return -_weighted(y, _logarithm(p, 1 - p, epsilon)).sum(-1)


def _binary_cross_entropy(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    p, y, (of_p, of_rest) = _inside(inputs[0], attributes), inputs[1], log_epsilons(attributes)
    positive, negative = torch.where(y == 0, 1.0, p), torch.where(y == 1, 0.0, p)
    of_ones = _weighted(y, _logarithm(positive, 1 - positive, of_p))
    of_zeros = _weighted(1 - y, _logarithm(1 - negative, negative, of_rest))
    return -(of_ones + of_zeros).sum(-1)


def _binary_with_logits(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    z, y = inputs
    return -(y * functional.logsigmoid(z) + (1 - y) * functional.logsigmoid(-z)).sum(-1)


def _l2(inputs: tuple[Tensor, ...], attributes: Attributes) -> Tensor:
    return attributes["factor"] * torch.stack([weights.square().sum() for weights in inputs]).sum()


class _References(dict[str, Reference]):
    """References by name; that of an operation which is plugged in is imported with it."""

    def __missing__(self, name: str) -> Reference:
        reference: Reference = plugins.part_of(plugins.OPERATIONS, name, "reference")
        self[name] = reference
        return reference


_REFERENCES: dict[str, Reference] = {
    "affine": _affine,
    "sigmoid": lambda inputs, _: _sigmoid(inputs[0]),
    "tanh": lambda inputs, _: _tanh(inputs[0]),
    "relu": lambda inputs, _: torch.relu(inputs[0]),
    "leaky_relu": lambda inputs, attributes: functional.leaky_relu(inputs[0], attributes["leaky_slope"]),
    "softplus": lambda inputs, attributes: _softplus(inputs[0], attributes),
    "identity": lambda inputs, _: inputs[0],
    "clip_preactivation": lambda inputs, attributes: torch.clamp(inputs[0], -attributes["bound"], attributes["bound"]),
    "softmax": lambda inputs, attributes: _softmax(inputs[0], attributes),
    "squared_error": lambda inputs, _: (inputs[0] - inputs[1]).square().sum(-1),
    "half_squared_error": lambda inputs, _: 0.5 * (inputs[0] - inputs[1]).square().sum(-1),
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "softmax_cross_entropy": _softmax_cross_entropy,
    "binary_cross_entropy_with_logits": _binary_with_logits,
    "reduce": lambda inputs, attributes: inputs[0].sum() / attributes["divisor"],
    "project": lambda inputs, _: torch.stack([(out * own).sum() for out, own in zip(inputs[::2], inputs[1::2], strict=True)]).sum(),
    "l2": _l2,
    "total": lambda inputs, attributes: attributes["scale"] * torch.stack([part.reshape(()) for part in inputs]).sum(),
}

TORCH_OPERATIONS: dict[str, Reference] = _References(_REFERENCES)
