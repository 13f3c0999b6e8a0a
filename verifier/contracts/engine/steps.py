"""One more node for a graph that is being drawn: an operation that is right alone, and operands and options that fit it."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.graph import Operand
from verifier.contracts.engine.operations.operation import Operation
from verifier.contracts.engine.operations.table import OPERATIONS

Features = Mapping[str, Collection[str]]
Proposed = tuple[str, tuple[Operand, ...], dict[str, Any]]
WHOLE: dict[str, Any] = {"slice": [None, None, None]}


def propose(
    features: Features, values: Mapping[str, Array], generator: np.random.Generator, *, first: str | None = None, fan_out: bool = False
) -> Proposed | None:
    """An operation with operands and options; None where what was thought of does not fit.

    Args:
        values: what there is to read.
        first: a value that must be among the operands.
        fan_out: whether old values are as likely as new ones; else the newest are preferred.
    """
    names = [
        name for name in features if features[name] and name in OPERATIONS and OPERATIONS[name].kind not in ("loss", "labels", "layer")
    ]
    if not names:
        return None
    # Operations of two operands make graphs; those of one only make them longer.
    weights = np.array([3.0 if OPERATIONS[name].kind in ("binary", "product") else 1.0 for name in names])
    operation = OPERATIONS[names[int(generator.choice(len(names), p=weights / weights.sum()))]]
    own = frozenset(features[operation.name])
    chosen = first or _choose(values, generator, fan_out)
    value = values[chosen]
    match operation.kind:
        case "unary":
            options = {"min": -1.0, "max": 1.0} if operation.name == "clip" else {}
            return (operation.name, (chosen,), options) if _fits(value, own) else None
        case "binary":
            return _binary(operation, own, chosen, values, generator, fan_out)
        case "product":
            return _product(operation, own, chosen, values, generator, fan_out)
        case "reduction":
            return _reduction(operation, own, value, chosen, generator)
        case "axis":
            axis = int(generator.integers(value.ndim)) if value.ndim else 0
            return (operation.name, (chosen,), {"axis": axis}) if value.ndim and "axis" in own else None
        case "shape":
            return _shape(operation, own, value, chosen, generator)
        case "index":
            return _index(operation, own, value, chosen, generator)
        case "write":
            return _write(own, chosen, values, generator)
        case "list":
            return _list(operation, own, chosen, values, generator, fan_out)
        case _:
            return None


def _choose(values: Mapping[str, Array], generator: np.random.Generator, fan_out: bool) -> str:
    names = [name for name, value in values.items() if value.dtype.kind == "f"]
    if fan_out or generator.random() < 0.4:
        return names[int(generator.integers(len(names)))]
    return names[-1 - int(generator.integers(min(3, len(names))))]


def _fits(value: Array, own: Collection[str]) -> bool:
    return ("zero-dim" if value.ndim == 0 else "plain") in own


def _binary(
    operation: Operation, own: Collection[str], chosen: str, values: Mapping[str, Array], generator: np.random.Generator, fan_out: bool
) -> Proposed | None:
    chance = generator.random()
    if chance < 0.15 and "self" in own and operation.name not in ("maximum", "minimum"):
        return operation.name, (chosen, chosen), {}
    if chance < 0.3 and "number right" in own:
        return operation.name, (chosen, float(generator.choice([2.0, 0.5, 1.5, 3.0]))), {}
    if chance < 0.4 and "number left" in own:
        return operation.name, (float(generator.choice([2.0, 0.5, 1.5])), chosen), {}
    other = _choose(values, generator, fan_out)
    a, b = values[chosen], values[other]
    if a.shape == b.shape:
        # Engines of numbers have no other shape, so `plain` is the feature there too.
        needed = "plain" if a.ndim or "zero-dim" not in own else "zero-dim"
    else:
        needed = "broadcast zero-dim" if 0 in (a.ndim, b.ndim) else "broadcast"
    if needed not in own:
        return None
    pair = (chosen, other) if generator.random() < 0.5 else (other, chosen)
    return (operation.name, pair, {}) if chosen != other or "self" in own else None


def _product(
    operation: Operation, own: Collection[str], chosen: str, values: Mapping[str, Array], generator: np.random.Generator, fan_out: bool
) -> Proposed | None:
    other = _choose(values, generator, fan_out)
    pair = (chosen, other) if generator.random() < 0.5 else (other, chosen)
    a, b = (values[name].ndim for name in pair)
    if operation.name == "matmul":
        kinds = {
            (2, 2): "plain",
            (2, 1): "matrix vector",
            (1, 2): "vector matrix",
            (1, 1): "vector vector",
            (3, 3): "batch",
            (3, 2): "batch broadcast",
        }
        needed = kinds.get((a, b))
    else:
        needed = "plain" if (a, b) == (1, 1) else None
    if needed not in own or (pair[0] == pair[1] and "self" not in own):
        return None
    return operation.name, pair, {}


def _reduction(operation: Operation, own: Collection[str], value: Array, chosen: str, generator: np.random.Generator) -> Proposed | None:
    if value.ndim == 0:
        return (operation.name, (chosen,), {}) if "zero-dim" in own else None
    choices: list[dict[str, Any]] = []
    axis = int(generator.integers(value.ndim))
    if "axis" in own:
        choices.append({"axis": axis})
    if "axis keepdims" in own:
        choices.append({"axis": axis, "keepdims": True})
    if "axes" in own and value.ndim > 1:
        choices.append({"axis": [0, value.ndim - 1]})
    if "plain" in own:
        choices.append({})
    return (operation.name, (chosen,), choices[int(generator.integers(len(choices)))]) if choices else None


def _shape(operation: Operation, own: Collection[str], value: Array, chosen: str, generator: np.random.Generator) -> Proposed | None:
    if "plain" not in own or value.ndim == 0:
        return None
    said: dict[str, Any] | None = {}
    match operation.name:
        case "reshape":
            said = {"shape": [value.size]} if generator.random() < 0.5 else {"shape": [value.shape[-1], -1]}
        case "broadcast_to":
            said = {"shape": [2, *value.shape]}
        case "unsqueeze":
            said = {"axis": int(generator.integers(value.ndim))}
        case "swapaxes":
            said = {"axis0": 0, "axis1": value.ndim - 1}
        case "transpose":
            said = {"axes": [int(one) for one in generator.permutation(value.ndim)]} if "axes" in own and value.ndim > 2 else {}
        case "tile" | "pad":
            said = {"repeats": [2] * value.ndim} if operation.name == "tile" else {"width": [[1, 0]] * value.ndim}
        case "roll":
            said = {"shift": 1, "axis": 0}
        case "tril" | "triu" | "trace" | "diagonal":
            said = {} if value.ndim == 2 else None
    return None if said is None else (operation.name, (chosen,), said)


def _index(operation: Operation, own: Collection[str], value: Array, chosen: str, generator: np.random.Generator) -> Proposed | None:
    if value.ndim == 0:
        return None
    size = value.shape[0]
    choices: list[list[Any]] = []
    if "number" in own:
        choices.append([int(generator.integers(size))])
    if "slice" in own:
        choices += [[{"slice": [0, max(1, size - 1), None]}], [WHOLE, {"slice": [0, 1, None]}] if value.ndim > 1 else [WHOLE]]
    if "array" in own:
        choices.append([{"array": [int(one) for one in generator.permutation(size)]}])
    if "repeated" in own:
        choices.append([{"array": [0, size - 1, 0]}])
    if not choices:
        return None
    return operation.name, (chosen,), {"index": {"index": choices[int(generator.integers(len(choices)))]}}


def _write(own: Collection[str], chosen: str, values: Mapping[str, Array], generator: np.random.Generator) -> Proposed | None:
    """One row, or the first rows, written over by a value that fits."""
    a = values[chosen]
    rows = {name for name, value in values.items() if a.ndim and value.dtype.kind == "f" and value.shape == a.shape[1:] and value.ndim}
    if "plain" not in own or not rows:
        return None
    name = sorted(rows)[int(generator.integers(len(rows)))]
    return "setitem", (chosen, name), {"index": {"index": [int(generator.integers(len(a)))]}}


def _list(
    operation: Operation, own: Collection[str], chosen: str, values: Mapping[str, Array], generator: np.random.Generator, fan_out: bool
) -> Proposed | None:
    other = _choose(values, generator, fan_out)
    a, b = values[chosen], values[other]
    if a.ndim == 0 or a.shape != b.shape or "plain" not in own or (chosen == other and "self" not in own):
        return None
    axis = int(generator.integers(a.ndim)) if "axis" in own else 0
    return operation.name, (chosen, other), {"axis": axis}
