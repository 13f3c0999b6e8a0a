"""Operations over axes: reductions, products, shapes, indices and lists of operands."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.operations.operation import MARGIN, NOT_ZERO, REAL, Domain, Operation

Axis = int | Sequence[int] | None
_PRODUCT = Domain(-2.0, 2.0, 0.3)


def axes_of(axis: Axis, dimensions: int) -> tuple[int, ...]:
    """The axes that are meant, as numbers from 0."""
    if axis is None:
        return tuple(range(dimensions))
    return tuple(one % dimensions for one in ([axis] if isinstance(axis, int) else axis)) if dimensions else ()


def _axis(axis: Axis) -> Any:
    return tuple(axis) if isinstance(axis, list | tuple) else axis


def encode_index(index: Any) -> dict[str, Any]:
    """What stands between the brackets as plain data, ``{"index": [items]}``.

    An item is a number, None, "...", {"slice": [start, stop, step]}, {"array": numbers} or {"mask": booleans}.
    """
    return {"index": [_encode_item(item) for item in (index if isinstance(index, tuple) else (index,))]}


def _encode_item(item: Any) -> Any:
    if isinstance(item, slice):
        return {"slice": [item.start, item.stop, item.step]}
    if isinstance(item, list):
        return {"mask" if np.asarray(item).dtype.kind == "b" else "array": item}
    return "..." if item is Ellipsis else item


def decode_index(option: Mapping[str, Any]) -> Any:
    """What stands between the brackets, from what `encode_index` wrote; one item stands alone."""
    items = tuple(_decode_item(item) for item in option["index"])
    return items[0] if len(items) == 1 else items


def _decode_item(item: Any) -> Any:
    if isinstance(item, Mapping):
        if "slice" in item:
            return slice(*item["slice"])
        return np.array(item["array"], dtype=np.int64) if "array" in item else np.array(item["mask"], dtype=np.bool_)
    return Ellipsis if item == "..." else item


def _written(a: Array, b: Array, index: Mapping[str, Any]) -> Array:
    """a with b in the place of what the index reads."""
    result = a.copy()
    result[decode_index(index)] = b
    return result


def _one_largest(values: Array, axis: Axis) -> bool:
    """The largest element along the axes is alone by a margin."""
    axes = axes_of(axis, values.ndim)
    rest = [one for one in range(values.ndim) if one not in axes]
    rows = values.transpose(*rest, *axes).reshape(math.prod(values.shape[one] for one in rest), -1)
    if rows.shape[1] < 2:
        return rows.shape[1] == 1 or values.ndim == 0
    ordered = np.sort(rows, axis=1)
    return bool(np.all(ordered[:, -1] - ordered[:, -2] >= MARGIN))


def _spread(operands: Sequence[Array], options: Mapping[str, Any]) -> bool:
    """No deviation, and no norm, is near zero."""
    return bool(np.all(np.std(operands[0], axis=_axis(options.get("axis"))) >= 0.1))


def reducing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction of NumPy's that takes the axes as an option writes them."""
    return lambda a, axis=None, keepdims=False: function(a, axis=_axis(axis), keepdims=keepdims)


def _norm(a: Array, axis: Axis, keepdims: bool) -> Any:
    return np.sqrt(np.sum(a * a, axis=axis, keepdims=keepdims))


def _log_sum_exp(a: Array, axis: Axis, keepdims: bool) -> Any:
    return np.log(np.sum(np.exp(a), axis=axis, keepdims=keepdims))


def log_softmax(a: Array, axis: int = -1) -> Any:
    """a - log Σ eᵃ along the axis, in the shape of a. Nothing is subtracted first: operands are drawn small."""
    return a - _log_sum_exp(a, axis, True)


def _reduction(name: str, function: Callable[..., Any], domain: Domain = REAL, **more: Any) -> Operation:
    return Operation(name, "reduction", reducing(function), (domain,), ("axis", "keepdims"), **more)


def _deviation(name: str, function: Callable[..., Any]) -> Operation:
    def forward(a: Array, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Any:
        return function(a, axis=_axis(axis), keepdims=keepdims, ddof=correction)

    return Operation(name, "reduction", forward, options=("axis", "keepdims", "correction"), smooth=_spread)


REDUCTIONS = (
    _reduction("sum", np.sum),
    _reduction("mean", np.mean),
    _reduction("prod", np.prod, _PRODUCT),
    _reduction("amax", np.max, smooth=lambda operands, options: _one_largest(operands[0], options.get("axis"))),
    _reduction("amin", np.min, smooth=lambda operands, options: _one_largest(-operands[0], options.get("axis"))),
    _reduction("logsumexp", _log_sum_exp),
    _reduction("norm", _norm, NOT_ZERO),
    _deviation("var", np.var),
    _deviation("std", np.std),
)

SCANS = (
    Operation("softmax", "axis", lambda a, axis=-1: np.exp(log_softmax(a, axis)), options=("axis",)),
    Operation("log_softmax", "axis", log_softmax, options=("axis",)),
    Operation("cumsum", "axis", lambda a, axis=-1: np.cumsum(a, axis), options=("axis",)),
    Operation("cumprod", "axis", lambda a, axis=-1: np.cumprod(a, axis), (_PRODUCT,), options=("axis",)),
    Operation("flip", "axis", lambda a, axis=-1: np.flip(a, axis), options=("axis",)),
)

PRODUCTS = (
    Operation("matmul", "product", np.matmul),
    Operation("dot", "product", np.dot),
    Operation("outer", "product", np.outer),
)

SHAPES = (
    Operation("transpose", "shape", lambda a, axes=None: np.transpose(a, axes), options=("axes",)),
    Operation("reshape", "shape", lambda a, shape: np.reshape(a, shape), options=("shape",), required=("shape",)),
    Operation("flatten", "shape", lambda a: np.reshape(a, (-1,))),
    Operation("broadcast_to", "shape", lambda a, shape: np.broadcast_to(a, shape), options=("shape",), required=("shape",)),
    Operation("squeeze", "shape", lambda a, axis=None: np.squeeze(a, axis), options=("axis",)),
    Operation("unsqueeze", "shape", lambda a, axis: np.expand_dims(a, axis), options=("axis",), required=("axis",)),
    Operation(
        "swapaxes", "shape", lambda a, axis0, axis1: np.swapaxes(a, axis0, axis1), options=("axis0", "axis1"), required=("axis0", "axis1")
    ),
    Operation("tile", "shape", lambda a, repeats: np.tile(a, repeats), options=("repeats",), required=("repeats",)),
    Operation("pad", "shape", lambda a, width: np.pad(a, width), options=("width",), required=("width",)),
    Operation("roll", "shape", lambda a, shift, axis: np.roll(a, shift, axis), options=("shift", "axis"), required=("shift", "axis")),
    Operation("tril", "shape", np.tril),
    Operation("triu", "shape", np.triu),
    Operation("trace", "shape", np.trace),
    Operation("diagonal", "shape", np.diagonal),
    Operation("getitem", "index", lambda a, index: a[decode_index(index)], options=("index",), required=("index",)),
)

WRITES = (Operation("setitem", "write", _written, options=("index",), required=("index",)),)

LISTS = (
    Operation("cat", "list", lambda *several, axis=0: np.concatenate(several, axis), options=("axis",)),
    Operation("stack", "list", lambda *several, axis=0: np.stack(several, axis), options=("axis",)),
)
