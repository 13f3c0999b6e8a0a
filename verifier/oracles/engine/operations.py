"""Each operation of an engine's table in PyTorch, under the same name: operands by position, options by keyword."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from verifier.contracts.engine.graph import VARIANT, Node
from verifier.contracts.engine.operations.joining import decode_index
from verifier.contracts.engine.operations.variants import ALONG, EPSILONS, KEPT, REDUCING, ROWS, SCANNED, SLOPES

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


def _transpose(a: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    return a.permute(tuple(reversed(range(a.ndim))) if axes is None else tuple(axes))


def _setitem(a: Tensor, b: Tensor, index: Mapping[str, Any]) -> Tensor:
    result = a.clone()
    result[_index(index)] = b
    return result


def _logits(a: Tensor, target: Tensor) -> Tensor:
    return functional.softplus(a) - target * a


def _entropy(a: Tensor, target: Tensor) -> Tensor:
    return -(target * a.log() + (1 - target) * (1 - a).log())


def _layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    return functional.layer_norm(x, weight.shape, weight, bias, eps)


def _along_one(scan: Callable[..., Tensor], axis: int | None) -> Callable[..., Tensor]:
    """Along this axis, whatever is asked; None: over all elements as over a vector."""
    return lambda a, **options: scan(a, axis=axis) if axis is not None else scan(a.reshape(-1), axis=0).reshape(a.shape)


def _kept(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda a, axis=None, keepdims=False: reduce(a, axis, True)


def apply(node: Node, operands: Sequence[Tensor]) -> Tensor:
    """A node's value, by the operation of its name in the variant that its options name."""
    variant = node.options.get(VARIANT)
    reference = REFERENCES[node.operation] if variant is None else OTHERS[node.operation][variant]
    return reference(*operands, **{key: value for key, value in node.options.items() if key != VARIANT})


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
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "mish": functional.mish,
    "hardtanh": functional.hardtanh,
    "hardsigmoid": functional.hardsigmoid,
    "hardswish": functional.hardswish,
    "clip": lambda a, min=None, max=None: torch.clamp(a, min, max),
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
    "reshape": lambda a, shape: a.reshape(tuple(shape)),
    "flatten": lambda a: a.reshape(-1),
    "broadcast_to": lambda a, shape: a.expand(tuple(shape)),
    "squeeze": lambda a, axis=None: a.squeeze() if axis is None else a.squeeze(axis),
    "unsqueeze": lambda a, axis: a.unsqueeze(axis),
    "swapaxes": lambda a, axis0, axis1: torch.swapaxes(a, axis0, axis1),
    "tile": lambda a, repeats: torch.tile(a, tuple(repeats)),
    "pad": lambda a, width: functional.pad(a, [size for pair in reversed(width) for size in pair]),
    "roll": lambda a, shift, axis: torch.roll(a, shift, axis),
    "getitem": _getitem,
    "setitem": _setitem,
    "cat": lambda *several, axis=0: torch.cat(several, axis),
    "stack": lambda *several, axis=0: torch.stack(several, axis),
    "mse_loss": lambda a, target: ((a - target) ** 2).mean(),
    "binary_cross_entropy": lambda a, target: _entropy(a, target).mean(),
    "binary_cross_entropy_with_logits": lambda a, target: _logits(a, target).mean(),
    "cross_entropy": functional.cross_entropy,
    "nll_loss": functional.nll_loss,
    "linear": lambda x, weight, bias=None: functional.linear(x, weight, bias),
    "embedding": lambda indices, weight: weight[indices],
    "layer_norm": _layer_norm,
    "conv2d": lambda x, weight, bias=None, stride=1, padding=0: functional.conv2d(x, weight, bias, stride, padding),
    "max_pool2d": lambda x, kernel_size, stride=None: functional.max_pool2d(x, kernel_size, stride),
    "avg_pool2d": lambda x, kernel_size, stride=None: functional.avg_pool2d(x, kernel_size, stride),
}

# The variants of `contracts.engine.operations.variants`.
OTHERS: Mapping[str, Mapping[str, Callable[..., Tensor]]] = {
    **{name: {KEPT: _kept(REFERENCES[name])} for name in REDUCING},
    **{name: {words: _along_one(REFERENCES[name], axis) for words, axis in ALONG.items()} for name in SCANNED},
    "gelu": {"by tanh": lambda a: functional.gelu(a, approximate="tanh"), "by sigmoid": lambda a: a * torch.sigmoid(1.702 * a)},
    "hardsigmoid": {"slope 0.2": lambda a: torch.clamp(0.2 * a + 0.5, 0, 1)},
    "leaky_relu": {f"slope {slope:g}": partial(functional.leaky_relu, negative_slope=slope) for slope in SLOPES},
    "var": {"over N": partial(_along(torch.var), correction=0)},
    "std": {"over N": partial(_deviation, correction=0)},
    "transpose": {"last two axes": lambda a: torch.swapaxes(a, -1, -2)},
    "flatten": {"all but the first axis": lambda a: a.reshape(a.shape[0], -1)},
    "layer_norm": {f"epsilon {eps:g}": partial(_layer_norm, eps=eps) for eps in EPSILONS},
    "mse_loss": {
        "sum": lambda a, target: ((a - target) ** 2).sum(),
        ROWS: lambda a, target: ((a - target) ** 2).sum() / len(a),
        "half the mean over the rows": lambda a, target: ((a - target) ** 2).sum() / len(a) / 2,
        "half the mean": lambda a, target: ((a - target) ** 2).mean() / 2,
        "half the sum": lambda a, target: ((a - target) ** 2).sum() / 2,
    },
    "binary_cross_entropy": {
        "sum": lambda a, target: _entropy(a, target).sum(),
        ROWS: lambda a, target: _entropy(a, target).sum() / len(a),
    },
    "binary_cross_entropy_with_logits": {
        "sum": lambda a, target: _logits(a, target).sum(),
        ROWS: lambda a, target: _logits(a, target).sum() / len(a),
    },
    "linear": {"its weight is (in, out)": lambda x, weight, bias=0.0: x @ weight + bias},
    "cross_entropy": {"sum": partial(functional.cross_entropy, reduction="sum")},
    "nll_loss": {"sum": partial(functional.nll_loss, reduction="sum")},
}
