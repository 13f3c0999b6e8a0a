"""Each operation of an engine's table in PyTorch, under the same name: operands by position, options by keyword."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from verifier.contracts.engine.graph import Node
from verifier.contracts.engine.operations.joining import decode_index
from verifier.contracts.engine.operations.variants import EPSILONS, KEPT, REDUCING, SLOPES, VARIANT

Axis = int | Sequence[int] | None


def _axes(a: Tensor, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(a.ndim))
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _along(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A reduction that takes several axes at once."""

    def reduce(a: Tensor, axis: Axis = None, keepdims: bool = False, **more: Any) -> Tensor:
        return function(a, dim=_axes(a, axis), keepdim=keepdims, **more)

    return reduce


def _one_after_another(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A reduction that takes one axis at a time."""

    def reduce(a: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        for one in sorted((one % max(a.ndim, 1) for one in _axes(a, axis)), reverse=True):
            a = function(a, dim=one, keepdim=keepdims)
        return a

    return reduce


def _norm(a: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return torch.sqrt(_along(torch.sum)(a * a, axis, keepdims))


def _deviation(a: Tensor, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Tensor:
    return torch.sqrt(torch.var(a, dim=_axes(a, axis), keepdim=keepdims, correction=correction))


def _index(option: Mapping[str, Any]) -> Any:
    """What stands between the brackets, arrays as tensors."""

    def tensor(item: Any) -> Any:
        return torch.from_numpy(item) if isinstance(item, np.ndarray) else item

    found = decode_index(option)
    return tuple(map(tensor, found)) if isinstance(found, tuple) else tensor(found)


def _getitem(a: Tensor, index: Mapping[str, Any]) -> Tensor:
    """PyTorch has no negative steps: the axis is turned round first."""
    items = index["index"]
    for axis, item in enumerate(items):
        if isinstance(item, Mapping) and "slice" in item and (item["slice"][2] or 1) < 0:
            taken = list(range(a.shape[axis]))[slice(*item["slice"])]
            a = a.index_select(axis, torch.tensor(taken, dtype=torch.int64))
            items = [*items[:axis], {"slice": [None, None, None]}, *items[axis + 1 :]]
    result: Tensor = a[_index({"index": items})]
    return result


def _clip(a: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    return torch.clamp(a, min, max)


def _pad(a: Tensor, width: Sequence[Sequence[int]]) -> Tensor:
    return functional.pad(a, [size for pair in reversed(width) for size in pair])


def _reshape(a: Tensor, shape: Sequence[int]) -> Tensor:
    return a.reshape(tuple(shape))


def _squeeze(a: Tensor, axis: int | None = None) -> Tensor:
    return a.squeeze() if axis is None else a.squeeze(axis)


def _transpose(a: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    return a.permute(tuple(reversed(range(a.ndim))) if axes is None else tuple(axes))


def _setitem(a: Tensor, b: Tensor, index: Mapping[str, Any]) -> Tensor:
    result = a.clone()
    result[_index(index)] = b
    return result


def _mean_of(losses: Tensor) -> Tensor:
    return losses.mean()


def _logits(a: Tensor, target: Tensor) -> Tensor:
    return _mean_of(functional.softplus(a) - target * a)


def _entropy(a: Tensor, target: Tensor) -> Tensor:
    return -_mean_of(target * a.log() + (1 - target) * (1 - a).log())


def _leaky(slope: float) -> Callable[..., Tensor]:
    return lambda a: functional.leaky_relu(a, slope)


def _layer_norm(eps: float) -> Callable[..., Tensor]:
    return lambda x, weight, bias: functional.layer_norm(x, weight.shape, weight, bias, eps)


def _kept(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda a, axis=None, keepdims=False: reduce(a, axis, True)


def _deviation_over_all(a: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return _deviation(a, axis, keepdims, 0)


def reference_of(node: Node) -> Callable[..., Tensor]:
    """What computes a node: the operation of its name, in the variant that its options name."""
    variant = node.options.get(VARIANT)
    return REFERENCES[node.operation] if variant is None else OTHERS[node.operation][variant]


def apply(node: Node, operands: Sequence[Tensor]) -> Tensor:
    """A node's value."""
    return reference_of(node)(*operands, **{key: value for key, value in node.options.items() if key != VARIANT})


REFERENCES: Mapping[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "pow": torch.pow,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "atan2": torch.atan2,
    "logaddexp": torch.logaddexp,
    "hypot": lambda a, b: torch.sqrt(a * a + b * b),
    **{
        name: getattr(torch, name)
        for name in (
            *("neg", "exp", "log", "log2", "log10", "log1p", "expm1", "sqrt", "rsqrt", "square", "reciprocal", "abs"),
            *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "sigmoid", "relu"),
            *("tril", "triu", "trace", "diagonal", "matmul", "outer", "dot"),
        )
    },
    "cbrt": lambda a: torch.sign(a) * torch.abs(a) ** (1 / 3),
    "logsigmoid": functional.logsigmoid,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "relu6": functional.relu6,
    "leaky_relu": lambda a, negative_slope=0.01: functional.leaky_relu(a, negative_slope),
    "elu": lambda a, alpha=1.0: functional.elu(a, alpha),
    "selu": functional.selu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "mish": functional.mish,
    "hardtanh": functional.hardtanh,
    "hardsigmoid": functional.hardsigmoid,
    "hardswish": functional.hardswish,
    "clip": _clip,
    "detach": lambda a: a.detach(),
    "where": torch.where,
    "sum": _along(torch.sum),
    "mean": _along(torch.mean),
    "prod": _one_after_another(torch.prod),
    "amax": _along(torch.amax),
    "amin": _along(torch.amin),
    "logsumexp": _along(torch.logsumexp),
    "norm": _norm,
    "var": _along(torch.var),
    "std": _deviation,
    "softmax": lambda a, axis=-1: torch.softmax(a, axis),
    "log_softmax": lambda a, axis=-1: torch.log_softmax(a, axis),
    "cumsum": lambda a, axis=-1: torch.cumsum(a, axis),
    "cumprod": lambda a, axis=-1: torch.cumprod(a, axis),
    "flip": lambda a, axis=-1: torch.flip(a, (axis,)),
    "transpose": _transpose,
    "reshape": _reshape,
    "flatten": lambda a: a.reshape(-1),
    "broadcast_to": lambda a, shape: a.expand(tuple(shape)),
    "squeeze": _squeeze,
    "unsqueeze": lambda a, axis: a.unsqueeze(axis),
    "swapaxes": lambda a, axis0, axis1: torch.swapaxes(a, axis0, axis1),
    "tile": lambda a, repeats: torch.tile(a, tuple(repeats)),
    "pad": _pad,
    "roll": lambda a, shift, axis: torch.roll(a, shift, axis),
    "getitem": _getitem,
    "setitem": _setitem,
    "cat": lambda *several, axis=0: torch.cat(several, axis),
    "stack": lambda *several, axis=0: torch.stack(several, axis),
    "mse_loss": lambda a, target: _mean_of((a - target) ** 2),
    "binary_cross_entropy": _entropy,
    "binary_cross_entropy_with_logits": _logits,
    "cross_entropy": functional.cross_entropy,
    "nll_loss": functional.nll_loss,
    "linear": lambda x, weight, bias=None: functional.linear(x, weight, bias),
    "embedding": lambda indices, weight: weight[indices],
    "layer_norm": lambda x, weight, bias, eps=1e-5: functional.layer_norm(x, weight.shape, weight, bias, eps),
    "conv2d": lambda x, weight, bias=None, stride=1, padding=0: functional.conv2d(x, weight, bias, stride, padding),
    "max_pool2d": lambda x, kernel_size, stride=None: functional.max_pool2d(x, kernel_size, stride),
    "avg_pool2d": lambda x, kernel_size, stride=None: functional.avg_pool2d(x, kernel_size, stride),
}

# The variants of `contracts.engine.operations.variants`.
OTHERS: Mapping[str, Mapping[str, Callable[..., Tensor]]] = {
    **{name: {KEPT: _kept(REFERENCES[name])} for name in REDUCING},
    "gelu": {"by tanh": lambda a: functional.gelu(a, approximate="tanh"), "by sigmoid": lambda a: a * torch.sigmoid(1.702 * a)},
    "hardsigmoid": {"slope 0.2": lambda a: torch.clamp(0.2 * a + 0.5, 0, 1)},
    "leaky_relu": {f"slope {slope:g}": _leaky(slope) for slope in SLOPES},
    "var": {"over N": lambda a, axis=None, keepdims=False: _along(torch.var)(a, axis, keepdims, correction=0)},
    "std": {"over N": _deviation_over_all},
    "transpose": {"last two axes": lambda a: torch.swapaxes(a, -1, -2)},
    "flatten": {"all but the first axis": lambda a: a.reshape(a.shape[0], -1)},
    "layer_norm": {f"epsilon {eps:g}": _layer_norm(eps) for eps in EPSILONS},
    "mse_loss": {
        "sum": lambda a, target: ((a - target) ** 2).sum(),
        "half the mean": lambda a, target: _mean_of((a - target) ** 2) / 2,
        "half the sum": lambda a, target: ((a - target) ** 2).sum() / 2,
    },
    "binary_cross_entropy": {"sum": lambda a, target: a.numel() * _entropy(a, target)},
    "binary_cross_entropy_with_logits": {"sum": lambda a, target: a.numel() * _logits(a, target)},
    "cross_entropy": {"sum": lambda logits, labels: functional.cross_entropy(logits, labels, reduction="sum")},
    "nll_loss": {"sum": lambda logs, labels: functional.nll_loss(logs, labels, reduction="sum")},
}
