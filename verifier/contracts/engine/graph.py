"""A graph as data: leaves, nodes that apply named operations, and the backward calls, in the order in which an engine meets them.

A graph is drawn, sent to the worker, computed again by PyTorch, made smaller, stored and replayed; nothing in it is code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from verifier import wire
from verifier.arrays import Array
from verifier.errors import RequestError

Operand = str | float
VARIANT = "variant"  # the option that says by which of several definitions a node is meant; it is never sent to the engine
FORMAT = "engine-graph-1"


@dataclass(frozen=True)
class Node:
    """One application: `output` = operation(*operands, **options).

    Attributes:
        operands: names of leaves, constants, plain arrays (masks, targets) or earlier nodes; a number stands for itself.
        options: plain JSON data; an index is written by `operations.joining.encode_index`.
        listed: the operands go as one list (`cat`, `stack`).
    """

    operation: str
    operands: tuple[Operand, ...]
    output: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    listed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The operands that are no numbers."""
        return tuple(operand for operand in self.operands if isinstance(operand, str))

    def given(self, values: Mapping[str, Array]) -> list[Array]:
        """The operands' values."""
        return [values[operand] if isinstance(operand, str) else np.asarray(operand, dtype=np.float64) for operand in self.operands]


@dataclass(frozen=True)
class Pass:
    """One backward call.

    Attributes:
        output: the value it starts from.
        nodes: how many nodes are built before it.
        cotangent: name of the array that it is given; None for an output that is one number, or whose elements count 1 each.
        clear: whether the leaves' gradients are set to zero before it (`zero_grad`).
    """

    output: str
    nodes: int
    cotangent: str | None = None
    clear: bool = False


@dataclass(frozen=True)
class Graph:
    """What an engine is asked to build and to differentiate.

    Attributes:
        arrays: everything that is given, by name, each with its own dtype.
        leaves: which arrays become leaves of the engine, in order.
        constants: which become constants of the engine (no gradient is asked); the other arrays are passed as they are.
        same: leaf -> another leaf whose very array object it is made from.
        nodes: in an order in which they can be built.
        passes: backward calls; gradients are read after each.
        features: what is special about it, in words of `features`; a graph is only drawn from what is right alone.
        untracked: nodes that are computed under the engine's `no_grad`.
        written: nodes that are computed in place, in their first operand, which nobody reads after them.
        directions: leaf -> the array that its gradient is multiplied with; then the gradients of the sum of these products are asked.
        complex: arrays of complex numbers: their last axis holds real and imaginary parts, as do those of the values that follow from them.
        anew: whether `fresh` is called before what each later backward call adds, and not before the first alone.
    """

    arrays: Mapping[str, Array]
    leaves: tuple[str, ...]
    nodes: tuple[Node, ...]
    passes: tuple[Pass, ...]
    constants: tuple[str, ...] = ()
    same: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    features: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    directions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    complex: tuple[str, ...] = ()
    anew: bool = False
    contract: ClassVar[str] = "engine"

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of its operations, each once, in order."""
        return tuple(dict.fromkeys(node.operation for node in self.nodes))

    def reached(self, number: int) -> set[str]:
        """Names of everything that the output of a pass depends on."""
        return set(self.paths(number))

    def paths(self, number: int) -> dict[str, int]:
        """By name, how many ways lead from the output of a pass to it; what is not reached has no entry."""
        found = {self.passes[number].output: 1}
        for node in reversed(self.nodes[: self.passes[number].nodes]):
            for name in node.names if node.output in found else ():
                found[name] = found.get(name, 0) + found[node.output]
        return found


def takes_twice(node: Node) -> bool:
    """Whether one value is several operands of the node; the feature `self` of its operation."""
    return len(set(node.names)) < len(node.names)


def shares_nodes(graph: Graph) -> bool:
    """Whether a later backward call runs through what an earlier one ran through: a second call, which not every engine claims."""
    calls = range(1, len(graph.passes))
    return any(node.output in graph.reached(call) for call in calls for node in graph.nodes[: graph.passes[call - 1].nodes])


def single(arrays: Mapping[str, Array], node: Node, *, plain: tuple[str, ...] = (), features: tuple[str, ...] = ()) -> Graph:
    """The graph of one node over leaves (all arrays but the `plain` ones), differentiated once."""
    leaves = tuple(name for name in arrays if name not in plain)
    return Graph(dict(arrays), leaves, (node,), (Pass(node.output, 1),), features=features)


def described(graph: Graph) -> str:
    """The graph as assignments, on one line: ``y = mul(a, a); z = sum(y, axis=0)``."""
    return "; ".join(f"{node.output} = {call_of(node)}" for node in graph.nodes)


def call_of(node: Node) -> str:
    """A node's call, as text."""
    operands = ", ".join(operand if isinstance(operand, str) else f"{operand:g}" for operand in node.operands)
    given = f"[{operands}]" if node.listed else operands
    options = [f"{key}={_shown(value)}" for key, value in node.options.items() if key != VARIANT]  # a note says which definition is meant
    return f"{node.operation}({', '.join([given, *options])})"


def shapes_of(graph: Graph) -> str:
    """Shapes of the leaves: ``a (3, 4), b (4,)``."""
    return ", ".join(f"{name} {graph.arrays[name].shape}" for name in graph.leaves)


def to_message(graph: Graph) -> dict[str, Any]:
    """All of a graph but its arrays, as plain JSON data."""
    return {
        "leaves": list(graph.leaves),
        "constants": list(graph.constants),
        "same": dict(graph.same),
        "nodes": [[node.operation, list(node.operands), node.output, dict(node.options), node.listed] for node in graph.nodes],
        "passes": [[one.output, one.nodes, one.cotangent, one.clear] for one in graph.passes],
        "features": list(graph.features),
        "untracked": list(graph.untracked),
        "written": list(graph.written),
        "directions": dict(graph.directions),
        "complex": list(graph.complex),
        "anew": graph.anew,
    }


def from_message(message: Mapping[str, Any], arrays: Mapping[str, Array]) -> Graph:
    """The graph that `to_message` described, over these arrays. Raises RequestError for anything else; says what is wrong."""
    try:
        nodes = tuple(
            Node(name, tuple(operands), output, dict(options), listed is True)
            for name, operands, output, options, listed in message["nodes"]
        )
        passes = tuple(Pass(output, int(count), cotangent, clear is True) for output, count, cotangent, clear in message["passes"])
        graph = Graph(
            dict(arrays),
            tuple(message["leaves"]),
            nodes,
            passes,
            tuple(message["constants"]),
            dict(message["same"]),
            tuple(message["features"]),
            tuple(message.get("untracked", ())),
            tuple(message.get("written", ())),
            dict(message.get("directions", {})),
            tuple(message.get("complex", ())),
            message.get("anew") is True,
        )
        _require_names(graph)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"a stored graph is damaged: {type(error).__name__}: {error}") from None
    return graph


def to_bytes(graph: Graph) -> bytes:
    """The graph as a safetensors blob: what a counterexample file holds."""
    return wire.encode_blob({"format": FORMAT, "contract": "engine", "graph": to_message(graph)}, graph.arrays)


def from_bytes(data: bytes) -> Graph:
    """The graph that `to_bytes` wrote, bit for bit. Raises RequestError where the bytes are not such a file."""
    try:
        message, arrays = wire.decode_blob(data)
    except wire.WireError as error:
        raise RequestError(f"this is not a stored graph: {error}") from None
    if message.get("format") != FORMAT or not isinstance(message.get("graph"), dict):
        raise RequestError("this is not a stored graph of an engine")
    return from_message(message["graph"], arrays)


def without_unused(graph: Graph) -> Graph:
    """The graph without nodes, and then arrays, that no pass needs; unused leaves go too."""
    needed = {one.output for one in graph.passes}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output in needed:
            kept.append(node)
            needed.update(node.names)
    needed |= {one.cotangent for one in graph.passes if one.cotangent is not None}
    needed |= {direction for leaf, direction in graph.directions.items() if leaf in needed}
    names = {node.output for node in kept}
    counts = [sum(node.output in names for node in graph.nodes[: one.nodes]) for one in graph.passes]
    return replace(
        graph,
        arrays={name: array for name, array in graph.arrays.items() if name in needed},
        leaves=tuple(name for name in graph.leaves if name in needed),
        constants=tuple(name for name in graph.constants if name in needed),
        same={name: other for name, other in graph.same.items() if name in needed and other in needed},
        nodes=tuple(reversed(kept)),
        untracked=tuple(name for name in graph.untracked if name in names),
        written=tuple(name for name in graph.written if name in names),
        directions={leaf: direction for leaf, direction in graph.directions.items() if leaf in needed},
        passes=tuple(replace(one, nodes=count) for one, count in zip(graph.passes, counts, strict=True)),
    )


def _require_names(graph: Graph) -> None:
    known = set(graph.arrays)
    if not known.issuperset((*graph.leaves, *graph.constants, *graph.same, *graph.same.values(), *graph.directions.values())):
        raise ValueError("a leaf, constant or direction is no array")
    for position, node in enumerate(graph.nodes):
        if not known.issuperset(node.names) or node.output in known:
            raise ValueError(f"an operand of node {position} is not there before it, or its output is there already")
        known.add(node.output)
    for one in graph.passes:
        before = {node.output for node in graph.nodes[: one.nodes]} | set(graph.arrays)
        if one.output not in before or (one.cotangent is not None and one.cotangent not in graph.arrays):
            raise ValueError("a pass starts from what is not there")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "[" + ", ".join(_shown_item(item) for item in value["index"]) + "]"
    return str(tuple(value)) if isinstance(value, list) else str(value)


def _shown_item(item: Any) -> str:
    if isinstance(item, dict):
        if "slice" in item:
            start, stop, step = ("" if part is None else str(part) for part in item["slice"])
            return f"{start}:{stop}" + (f":{step}" if step else "")
        return str(item.get("array", item.get("mask")))
    return {"...": "...", None: "None"}.get(item, str(item))


def rounded(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The nearest numbers of ten bits after the point: exact in float32, and short enough to be read."""
    return np.round(np.asarray(values, dtype=np.float64) * 1024) / 1024
