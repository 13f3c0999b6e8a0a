"""The operations by name, what else they are called, and which options go by another name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.graph import VARIANT
from verifier.contracts.engine.operations.elementwise import BINARY, CHOICE, UNARY
from verifier.contracts.engine.operations.joining import LISTS, PRODUCTS, REDUCTIONS, SCANS, SHAPES, WRITES
from verifier.contracts.engine.operations.losses import LAYERS, LOSSES
from verifier.contracts.engine.operations.operation import Operation
from verifier.contracts.engine.operations.variants import VARIANTS

OPERATIONS: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (*BINARY, *UNARY, *CHOICE, *REDUCTIONS, *SCANS, *PRODUCTS, *SHAPES, *WRITES, *LISTS, *LOSSES, *LAYERS)
}

ALIASES: Mapping[str, str] = {
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "truediv": "div",
    "negative": "neg",
    "absolute": "abs",
    "power": "pow",
    "mm": "matmul",
    "bmm": "matmul",
    "max": "amax",
    "min": "amin",
    "concatenate": "cat",
    "concat": "cat",
    "clamp": "clip",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
    "permute": "transpose",
    "T": "transpose",
    "view": "reshape",
    "expand": "broadcast_to",
    "expand_dims": "unsqueeze",
    "swish": "silu",
    "log_sigmoid": "logsigmoid",
    "slice": "getitem",
    "index": "getitem",
    "select": "where",
    "inverse": "reciprocal",
}


def named(name: str) -> Operation | None:
    """The operation of this name, or of the one that it is an alias of; None where it is not known."""
    return OPERATIONS.get(ALIASES.get(name, name))


def value_of(name: str, operands: Sequence[Array], options: Mapping[str, Any]) -> Array:
    """The operation's value by NumPy, in the variant that the options name.

    Raises:
        ValueError, IndexError, TypeError: they do not fit.
    """
    variant = options.get(VARIANT)
    forward = OPERATIONS[name].forward if variant is None else VARIANTS[name][variant]
    return np.asarray(forward(*operands, **{key: value for key, value in options.items() if key != VARIANT}))
