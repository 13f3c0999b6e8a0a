"""An operation on operands that another one computed and that somebody else reads too: most of what is wrong in published engines and right
alone (a gradient that is assigned instead of added, a buffer that two gradients share) shows in such a graph of four nodes."""

from dataclasses import replace

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.endings import Ending, ended, values_of
from verifier.contracts.engine.graph import Graph, Node, Operand, Pass, rounded
from verifier.contracts.engine.operations.table import OPERATIONS
from verifier.contracts.engine.steps import Features

# How an operand is computed, or read by somebody else: operation, operands beside it, and the leaf that gives the same value.
MADE: tuple[tuple[str, str, tuple[Operand, ...], float, float], ...] = (
    ("neg", "plain", (), -1.0, 0.0),
    ("mul", "number right", (2.0,), 0.5, 0.0),
    ("add", "number right", (1.0,), 1.0, -1.0),
)


def composed(
    graph: Graph, features: Features, ending: Ending, generator: np.random.Generator, *, early: bool, saving: bool = True
) -> Graph | None:
    """A graph of one node, with computed operands that have a second reader; None where the engine lacks what that takes.

    Args:
        graph: of one operation alone, without its ending.
        early: whether the second readers come before the operation.
        saving: whether the slope of a second reader depends on what it read.
    """
    values = values_of(graph)
    node = graph.nodes[0]
    makers: list[Node] = []
    readers: list[Node] = []
    arrays: dict[str, Array] = {name: array for name, array in graph.arrays.items() if name not in graph.leaves}
    for leaf in graph.leaves:
        way = _way(features, graph.arrays[leaf].ndim)
        if way is None:
            return None
        operation, beside, factor, shift = way
        arrays[f"{leaf}0"] = graph.arrays[leaf] * factor + shift
        makers.append(Node(operation, (f"{leaf}0", *beside), leaf))
        # A square's slope depends on the operand's value, so it shows whether somebody writes there.
        squares = saving and "self" in features.get("mul", ())
        readers.append(Node("mul", (leaf, leaf), f"{leaf}1") if squares else Node(operation, (leaf, *beside), f"{leaf}1"))
    nodes = [*makers, *readers, node] if early else [*makers, node, *readers]
    leaves = tuple(f"{leaf}0" for leaf in graph.leaves)
    whole = Graph(arrays, leaves, tuple(nodes), (Pass(node.output, len(nodes)),), features=("composed",))
    shapes = {value.shape for name, value in values.items() if name == node.output or name in graph.leaves}
    parts = [node.output, *(one.output for one in readers)]
    return _joined(whole, parts[::-1] if early else parts, features, shapes, ending, generator)


def in_place(graph: Graph) -> Graph | None:
    """The operation done in place, in an operand that was computed and that others read before; None where that cannot be asked.

    Args:
        graph: of one operation over computed operands, as `composed` gives it, with early readers.
    """
    node = next(one for one in graph.nodes if one.output == "y")
    into = node.operands[0] if node.operands else ""
    if node.listed or not isinstance(into, str) or node.operands.count(into) > 1 or into in graph.arrays:
        return None
    return replace(graph, written=(node.output,), features=("in place",))


def untracked(graph: Graph) -> Graph:
    """The operation under `no_grad`: nothing runs back through it, and what follows is differentiated again."""
    return replace(graph, untracked=("y",), features=("no_grad",))


def read_again(graph: Graph, features: Features, ending: Ending, generator: np.random.Generator) -> Graph | None:
    """The operation over leaves, differentiated; then a second graph over these leaves: it shows what the first one left behind in them.

    Args:
        graph: of one operation alone, with its ending.
    """
    leaf = graph.leaves[0]
    if "self" not in features.get("mul", ()):
        return None
    nodes = (*graph.nodes, Node("mul", (leaf, leaf), "again"))
    whole = replace(graph, nodes=nodes, passes=(*graph.passes, Pass("again", len(nodes))), features=("read again",))
    return ended(whole, ending, generator, graph.arrays[leaf].shape)


def twins(graph: Graph, *, shared: bool) -> Graph | None:
    """The operation over two leaves that are equal, or (`shared`) made from one array; None where it has no two, or a kink there.

    Args:
        graph: of one operation alone, with its ending.
    """
    node = graph.nodes[0]
    if node.operands != ("a", "b"):
        return None
    arrays = {**graph.arrays, "b": graph.arrays["a"]}
    if arrays["a"].shape != graph.arrays["b"].shape or not OPERATIONS[node.operation].allows([arrays["a"], arrays["b"]], node.options):
        return None
    return replace(graph, arrays=arrays, same={"b": "a"} if shared else {}, features=("equal leaves",))


def _way(features: Features, dimensions: int) -> tuple[str, tuple[Operand, ...], float, float] | None:
    for operation, feature, beside, factor, shift in MADE:
        needed = "zero-dim" if feature == "plain" and not dimensions else feature
        if needed in features.get(operation, ()):
            return operation, beside, factor, shift
    return None


def _joined(
    graph: Graph,
    parts: list[str],
    features: Features,
    shapes: set[tuple[int, ...]],
    ending: Ending,
    generator: np.random.Generator,
) -> Graph | None:
    """These values as one output: their sum where all have one shape, else the sum of their weighted sums."""
    values = values_of(graph)
    dimensions = {len(shape) for shape in shapes}
    if len(shapes) == 1 and _adds(features, dimensions):
        return ended(_added(graph, parts), ending, generator, values[parts[0]].shape)
    if ending == "none" or not _adds(features, {0}) or "plain" not in features.get("sum", ()):
        return None
    nodes, arrays, leaves, totals = list(graph.nodes), dict(graph.arrays), list(graph.leaves), []
    for name in parts:
        shape = values[name].shape
        if ending != "sum" and "plain" in features.get("mul", ()):
            arrays[f"weights{name}"] = rounded(generator.uniform(0.5, 1.5, shape))
            leaves.append(f"weights{name}")
            nodes.append(Node("mul", (name, f"weights{name}"), f"weighted{name}"))
            name = f"weighted{name}"
        if shape:
            nodes.append(Node("sum", (name,), f"total{name}"))
            name = f"total{name}"
        totals.append(name)
    whole = _added(replace(graph, arrays=arrays, leaves=tuple(leaves), nodes=tuple(nodes)), totals)
    return ended(whole, ending if ending == "cotangent" else "none", generator, ())


def _adds(features: Features, dimensions: set[int]) -> bool:
    own = features.get("add", ())
    return all(("plain" if one else "zero-dim") in own for one in dimensions)


def _added(graph: Graph, names: list[str]) -> Graph:
    nodes = list(graph.nodes)
    output = names[0]
    for number, name in enumerate(names[1:]):
        nodes.append(Node("add", (output, name), f"joined{number}"))
        output = f"joined{number}"
    return replace(graph, nodes=tuple(nodes), passes=(Pass(output, len(nodes)),))
