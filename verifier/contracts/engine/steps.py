"""One more node for a graph that is being drawn: an operation that is right alone, and operands and options that fit it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.graph import Operand
from verifier.contracts.engine.operations.joining import encode_index
from verifier.contracts.engine.operations.operation import Kind, Operation
from verifier.contracts.engine.operations.table import OPERATIONS

Features = Mapping[str, Collection[str]]
Proposed = tuple[str, tuple[Operand, ...], dict[str, Any]]


@dataclass(frozen=True)
class _Begun:
    """An operation and its first operand, to be completed.

    Attributes:
        own: what is right of the operation alone.
        values: what there is to read.
        fan_out: whether old values are as likely as new ones.
    """

    operation: Operation
    own: Collection[str]
    first: str
    values: Mapping[str, Array]
    generator: np.random.Generator
    fan_out: bool

    @property
    def value(self) -> Array:
        return self.values[self.first]

    def another(self) -> str:
        return _choose(self.values, self.generator, self.fan_out)

    def below(self, bound: int) -> int:
        return int(self.generator.integers(bound))

    def call(self, *operands: Operand, **options: Any) -> Proposed:
        return self.operation.name, operands or (self.first,), options


def propose(
    features: Features, values: Mapping[str, Array], generator: np.random.Generator, *, first: str | None = None, fan_out: bool = False
) -> Proposed | None:
    """An operation with operands and options; None where what was thought of does not fit.

    Args:
        values: what there is to read.
        first: a value that must be among the operands.
        fan_out: whether old values are as likely as new ones; else the newest are preferred.
    """
    names = [name for name in features if features[name] and name in OPERATIONS and OPERATIONS[name].kind in _WAYS]
    if not names:
        return None
    # Operations of two operands make graphs; those of one only make them longer.
    weights = np.array([3.0 if OPERATIONS[name].kind in ("binary", "product") else 1.0 for name in names])
    operation = OPERATIONS[names[int(generator.choice(len(names), p=weights / weights.sum()))]]
    own = frozenset(features[operation.name])
    return _WAYS[operation.kind](_Begun(operation, own, first or _choose(values, generator, fan_out), values, generator, fan_out))


def _choose(values: Mapping[str, Array], generator: np.random.Generator, fan_out: bool) -> str:
    names = [name for name, value in values.items() if value.dtype.kind == "f"]
    if fan_out or generator.random() < 0.4:
        return names[int(generator.integers(len(names)))]
    return names[-1 - int(generator.integers(min(3, len(names))))]


def _unary(begun: _Begun) -> Proposed | None:
    if ("plain" if begun.value.ndim else "zero-dim") not in begun.own:
        return None
    return begun.call(min=-1.0, max=1.0) if begun.operation.name == "clip" else begun.call()


def _binary(begun: _Begun) -> Proposed | None:
    own, first, generator = begun.own, begun.first, begun.generator
    chance = generator.random()
    if chance < 0.15 and "self" in own and begun.operation.name not in ("maximum", "minimum"):
        return begun.call(first, first)
    if chance < 0.3 and "number right" in own:
        return begun.call(first, float(generator.choice([2.0, 0.5, 1.5, 3.0])))
    if chance < 0.4 and "number left" in own:
        return begun.call(float(generator.choice([2.0, 0.5, 1.5])), first)
    other = begun.another()
    a, b = begun.value, begun.values[other]
    if a.shape == b.shape:
        # Engines of numbers have no other shape, so `plain` is the feature there too.
        needed = "plain" if a.ndim or "zero-dim" not in own else "zero-dim"
    else:
        needed = "broadcast zero-dim" if 0 in (a.ndim, b.ndim) else "broadcast"
    if needed not in own:
        return None
    pair = (first, other) if generator.random() < 0.5 else (other, first)
    return begun.call(*pair) if first != other or "self" in own else None


PRODUCTS = {
    **{(2, 2): "plain", (2, 1): "matrix vector", (1, 2): "vector matrix", (1, 1): "vector vector"},
    **{(3, 3): "batch", (3, 2): "batch broadcast"},
}  # the feature by the operands' numbers of dimensions


def _product(begun: _Begun) -> Proposed | None:
    other = begun.another()
    pair = (begun.first, other) if begun.generator.random() < 0.5 else (other, begun.first)
    ranks = begun.values[pair[0]].ndim, begun.values[pair[1]].ndim
    needed = PRODUCTS.get(ranks) if begun.operation.name == "matmul" else "plain" if ranks == (1, 1) else None
    if needed not in begun.own or (pair[0] == pair[1] and "self" not in begun.own):
        return None
    return begun.call(*pair)


def _reduction(begun: _Begun) -> Proposed | None:
    own, dimensions = begun.own, begun.value.ndim
    if dimensions == 0:
        return begun.call() if "zero-dim" in own else None
    axis = begun.below(dimensions)
    choices: list[dict[str, Any]] = [{"axis": axis}] if "axis" in own else []
    if "axis keepdims" in own:
        choices.append({"axis": axis, "keepdims": True})
    if "axes" in own and dimensions > 1:
        choices.append({"axis": [0, dimensions - 1]})
    if "plain" in own:
        choices.append({})
    return begun.call(**choices[begun.below(len(choices))]) if choices else None


def _axis(begun: _Begun) -> Proposed | None:
    if not begun.value.ndim:
        return None
    if "axis" in begun.own:
        return begun.call(axis=begun.below(begun.value.ndim))
    return begun.call() if "plain" in begun.own else None


def _shape(begun: _Begun) -> Proposed | None:
    value, generator = begun.value, begun.generator
    if "plain" not in begun.own or value.ndim == 0:
        return None
    match begun.operation.name:
        case "reshape":
            return begun.call(shape=[value.size] if generator.random() < 0.5 else [value.shape[-1], -1])
        case "broadcast_to":
            return begun.call(shape=[2, *value.shape])
        case "unsqueeze":
            return begun.call(axis=begun.below(value.ndim))
        case "swapaxes":
            return begun.call(axis0=0, axis1=value.ndim - 1)
        case "transpose" if "axes" in begun.own and value.ndim > 2:
            return begun.call(axes=[int(one) for one in generator.permutation(value.ndim)])
        case "tile":
            return begun.call(repeats=[2] * value.ndim)
        case "pad":
            return begun.call(width=[[1, 0]] * value.ndim)
        case "roll":
            return begun.call(shift=1, axis=0)
        case "tril" | "triu" | "trace" | "diagonal" if value.ndim != 2:
            return None
    return begun.call()


def _index(begun: _Begun) -> Proposed | None:
    value = begun.value
    if value.ndim == 0:
        return None
    size = value.shape[0]
    choices: list[Any] = [begun.below(size)] if "number" in begun.own else []
    if "slice" in begun.own:
        choices += [np.s_[0 : max(1, size - 1)], np.s_[:, 0:1] if value.ndim > 1 else np.s_[:]]
    if "array" in begun.own:
        choices.append([int(one) for one in begun.generator.permutation(size)])
    if "repeated" in begun.own:
        choices.append([0, size - 1, 0])
    return begun.call(index=encode_index(choices[begun.below(len(choices))])) if choices else None


def _write(begun: _Begun) -> Proposed | None:
    """One row, written over by a value that fits."""
    a = begun.value
    fitting = {name for name, value in begun.values.items() if value.dtype.kind == "f" and value.ndim and value.shape == a.shape[1:]}
    if "plain" not in begun.own or not a.ndim or not fitting:
        return None
    name = sorted(fitting)[begun.below(len(fitting))]
    return begun.call(begun.first, name, index=encode_index(begun.below(len(a))))


def _list(begun: _Begun) -> Proposed | None:
    other = begun.another()
    a, b = begun.value, begun.values[other]
    if a.ndim == 0 or a.shape != b.shape or "plain" not in begun.own or (begun.first == other and "self" not in begun.own):
        return None
    return begun.call(begun.first, other, axis=begun.below(a.ndim) if "axis" in begun.own else 0)


_WAYS: Mapping[Kind, Callable[[_Begun], Proposed | None]] = {
    **{"unary": _unary, "binary": _binary, "product": _product, "reduction": _reduction, "axis": _axis},
    **{"shape": _shape, "index": _index, "write": _write, "list": _list},
}
