"""How a graph ends: an engine differentiates one number, and a weighted sum shows errors that a plain one cancels."""

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import numpy as np

from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.graph import Graph, Node, rounded
from verifier.contracts.engine.operations.table import value_of

Ending = Literal["cotangent", "weighted", "sum", "none"]


def ending_for(engine: Engine, right: Collection[str]) -> Ending:
    """The best ending that an engine has with the operations that are known to be right."""
    if engine.takes_cotangent:
        return "cotangent"
    if engine.scalar:
        return "weighted" if "mul" in right else "none"
    if "sum" in right:
        return "weighted" if "mul" in right else "sum"
    return "none"


def shape_of(graph: Graph, name: str) -> tuple[int, ...]:
    """The shape of a value of the graph."""
    return values_of(graph)[name].shape


def values_of(graph: Graph) -> dict[str, np.ndarray]:
    """Every value of the graph, by NumPy in float64."""
    values: dict[str, np.ndarray] = {name: np.asarray(graph.arrays[graph.same.get(name, name)]) for name in graph.arrays}
    values = {name: value.astype(np.float64) if value.dtype.kind == "f" else value for name, value in values.items()}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            values[node.output] = value_of(node.operation, node.given(values), node.options)
    return values


def ended(graph: Graph, ending: Ending, generator: np.random.Generator, shape: tuple[int, ...]) -> Graph:
    """The graph with its last pass (whose output has this shape) turned to one number, or given a cotangent."""
    last = graph.passes[-1]
    tail = str(len(graph.passes)) if len(graph.passes) > 1 else ""
    if ending == "none" or (ending == "sum" and shape == ()):
        return graph
    weights = signed(generator, shape)
    if ending == "cotangent":
        name = f"cotangent{tail}"
        return replace(graph, arrays={**graph.arrays, name: weights}, passes=(*graph.passes[:-1], replace(last, cotangent=name)))
    nodes, arrays, leaves, output = list(graph.nodes), dict(graph.arrays), graph.leaves, last.output
    if ending == "weighted":
        name = f"weights{tail}"
        arrays[name], leaves = weights, (*leaves, name)
        nodes.append(Node("mul", (output, name), f"weighted{tail}"))
        output = f"weighted{tail}"
    if shape != ():
        nodes.append(Node("sum", (output,), f"total{tail}"))
        output = f"total{tail}"
    return replace(
        graph, arrays=arrays, leaves=leaves, nodes=tuple(nodes), passes=(*graph.passes[:-1], replace(last, output=output, nodes=len(nodes)))
    )


def signed(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of both signs, no two alike, none near zero: 1 and -1 cancel exactly on structured errors."""
    sign = np.where(generator.random(shape) < 0.5, -1.0, 1.0)
    return np.asarray(rounded(sign * generator.uniform(0.5, 1.5, shape)))
