"""Smaller graphs: fewer nodes, then smaller shapes, then plain numbers. Whoever asks keeps a smaller one that still fails alike."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from string import ascii_lowercase
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.endings import values_of
from verifier.contracts.engine.graph import Graph, Node, Operand, rounded, without_unused
from verifier.contracts.engine.operations.joining import decode_index
from verifier.contracts.engine.operations.table import OPERATIONS

PLAIN = (1.0, 2.0, 0.5, 3.0, -1.0, 1.5)


def smaller(graph: Graph) -> Iterator[Graph]:
    """Graphs one step smaller, the largest steps first; each can be computed, and is differentiable where it is asked.

    None reads, writes or computes an array without elements, unless the graph does: such a one shows nothing to follow.
    """
    empty = _has_empty(graph, values_of(graph))
    for candidate in (
        without_unused(graph),
        *_unmarked(graph),
        *_one_pass(graph),
        *_without_nodes(graph),
        *_smaller_shapes(graph),
        *_plainer(graph),
    ):
        if _sound(candidate, empty=empty):
            yield candidate


def size_of(graph: Graph) -> tuple[int, int, int]:
    """What counts as smaller: nodes and passes, then elements, then digits."""
    marked = len(graph.untracked) + len(graph.written)
    elements = sum(array.size for array in graph.arrays.values())
    return len(graph.nodes) + len(graph.passes) + marked, elements, sum(_digits(graph.arrays[name]) for name in graph.leaves)


def tidied(graph: Graph) -> Graph:
    """The graph with short names: leaves a, b, c, values v0, v1; what it ends in keeps its own."""
    leaves = [name for name in graph.leaves if not name.startswith("weights")]
    values = [node.output for node in graph.nodes if not node.output.startswith(("weighted", "total"))]
    names = dict(zip(leaves, ascii_lowercase, strict=False)) | {name: f"v{number}" for number, name in enumerate(values)}
    if len(leaves) > len(ascii_lowercase) or len({names.get(name, name) for name in graph.arrays}) < len(graph.arrays):
        return graph

    def new(name: Operand | None) -> Any:
        return names.get(name, name) if isinstance(name, str) else name

    return replace(
        graph,
        arrays={new(name): array for name, array in graph.arrays.items()},
        leaves=tuple(map(new, graph.leaves)),
        constants=tuple(map(new, graph.constants)),
        same={new(name): new(other) for name, other in graph.same.items()},
        nodes=tuple(replace(node, operands=tuple(map(new, node.operands)), output=new(node.output)) for node in graph.nodes),
        passes=tuple(replace(one, output=new(one.output)) for one in graph.passes),
        untracked=tuple(map(new, graph.untracked)),
        written=tuple(map(new, graph.written)),
        directions={new(leaf): direction for leaf, direction in graph.directions.items()},
    )


def _unmarked(graph: Graph) -> Iterator[Graph]:
    """Nothing in place, nothing untracked."""
    if graph.written or graph.untracked:
        yield replace(graph, written=(), untracked=())


def _one_pass(graph: Graph) -> Iterator[Graph]:
    """Only one of several passes."""
    if len(graph.passes) > 1:
        for one in graph.passes:
            yield without_unused(replace(graph, passes=(replace(one, clear=False),)))


def _without_nodes(graph: Graph) -> Iterator[Graph]:
    """A node replaced by one of its operands of the same shape, or by a fresh leaf of its value."""
    values = values_of(graph)
    protected = {name for one in graph.passes for name in (one.output, one.cotangent)}
    for node in reversed(graph.nodes):
        for operand in dict.fromkeys(node.names):
            if values[operand].shape == values[node.output].shape and values[operand].dtype.kind == "f":
                yield _without_node(graph, node, operand)
    for position, node in enumerate(graph.nodes):
        if node.output not in protected and position < len(graph.nodes) - 1 and values[node.output].ndim <= 3:
            leaf = f"{node.output}_"
            arrays = {**graph.arrays, leaf: rounded(values[node.output])}
            yield replace(_without_node(graph, node, leaf), arrays=arrays, leaves=(*graph.leaves, leaf))
    for node in graph.nodes:
        if node.output not in protected and not any(node.output in other.operands for other in graph.nodes):
            yield _without_node(graph, node)


def _without_node(graph: Graph, node: Node, instead: str = "") -> Graph:
    """Without a node; what read its value reads this one instead."""

    def read(name: Operand) -> Any:
        return instead if name == node.output else name

    position = graph.nodes.index(node)
    nodes = tuple(replace(one, operands=tuple(map(read, one.operands))) for one in graph.nodes if one is not node)
    passes = tuple(replace(one, output=read(one.output), nodes=one.nodes - (position < one.nodes)) for one in graph.passes)
    return replace(graph, nodes=nodes, passes=passes)


def _smaller_shapes(graph: Graph) -> Iterator[Graph]:
    """Every axis of one length shortened together."""
    lengths = sorted({length for array in graph.arrays.values() for length in array.shape if length > 1}, reverse=True)
    for length in lengths:
        for shorter in (1, 2, length - 1):
            if shorter < length:
                arrays = {name: _cut(array, length, shorter) for name, array in graph.arrays.items()}
                yield replace(graph, arrays=arrays)


def _cut(array: np.ndarray, length: int, shorter: int) -> np.ndarray:
    return np.ascontiguousarray(array[tuple(slice(shorter if size == length else None) for size in array.shape)])


def _plainer(graph: Graph) -> Iterator[Graph]:
    """Numbers that can be followed by hand; weights first."""
    for name in graph.arrays:
        array = graph.arrays[name]
        if array.dtype.kind != "f" or array.size == 0 or name in graph.same:
            continue
        for first in range(3):
            numbers = np.resize(np.roll(PLAIN, -first), array.size).reshape(array.shape)
            if _digits(numbers) < _digits(array):
                yield replace(graph, arrays={**graph.arrays, name: numbers})


def _digits(array: np.ndarray) -> int:
    return sum(len(f"{value:g}") for value in np.ravel(array))


def _has_empty(graph: Graph, values: Mapping[str, Array]) -> bool:
    written = (values[node.names[0]][decode_index(node.options["index"])] for node in graph.nodes if node.operation == "setitem")
    return any(np.size(value) == 0 for value in (*values.values(), *written))


def _sound(graph: Graph, *, empty: bool) -> bool:
    if not graph.nodes or not graph.leaves or not _writes_last(graph):
        return False
    try:
        values = values_of(graph)
    except (ValueError, IndexError, TypeError, KeyError):
        return False
    if not empty and _has_empty(graph, values):
        return False
    for one in graph.passes:
        if one.output not in values or (one.cotangent is None and values[one.output].size != 1):
            return False
        if one.cotangent is not None and values[one.cotangent].shape != values[one.output].shape:
            return False
    for node in graph.nodes:
        entry = OPERATIONS[node.operation]
        if entry.kind not in ("choice", "labels", "layer") and not entry.allows(node.given(values), node.options):
            return False
        if not np.all(np.isfinite(values[node.output])) or np.max(np.abs(values[node.output]), initial=0.0) > 100:
            return False
    return True


def _writes_last(graph: Graph) -> bool:
    """Whether what is written into is no leaf, and is not read again."""
    for position, node in enumerate(graph.nodes):
        if node.output in graph.written:
            into = node.operands[0]
            later = {operand for other in graph.nodes[position + 1 :] for operand in other.operands}
            if into in graph.arrays or into in later or node.operands.count(into) > 1:
                return False
    return True
