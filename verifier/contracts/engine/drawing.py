"""Graphs drawn over the operations that are right alone: structure and numbers from a generator keyed by (seed, index).

Half of the leaves have one shape, since what is shared between buffers raises where sizes differ and stays silent where they are equal. A
node is only kept where NumPy finds every operand inside its domain and away from kinks, and every value of ordinary size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.endings import Ending, ended
from verifier.contracts.engine.graph import Graph, Node, Operand, Pass, rounded, takes_twice
from verifier.contracts.engine.operations.table import OPERATIONS, value_of
from verifier.contracts.engine.steps import Features, propose

LARGEST_VALUE = 30.0
LARGEST_SIZE = 60
SHAPES: tuple[tuple[int, ...], ...] = ((3,), (2, 3), (3, 3), (2, 2), (4,), (3, 1), (1, 3), (2, 3, 2))
STRATA = (
    "one shape",
    "mixed",
    "fan-out",
    "one shape",
    "after an old one",
    "unused",
    "pair",
    "mixed",
    "equal leaves",
    "pair",
    "zero-dim",
    "chain",
    "wide",
)
RETAINED = ("second call", "two losses")  # where a graph may be differentiated again


@dataclass
class Growing:
    """A graph while it is drawn, with the value of everything in it; `features`: by operation, what is right alone."""

    engine: Engine
    features: Features
    generator: np.random.Generator
    values: dict[str, Array] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    leaves: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    def can(self, operation: str, *, zero_dim: bool = False) -> bool:
        """Whether the operation is right alone on plain operands, or on arrays without dimensions."""
        return ("zero-dim" if zero_dim else "plain") in self.features.get(operation, ())

    def leaf(self, shape: tuple[int, ...], values: Array | None = None) -> str:
        """A new leaf, of ordinary numbers where none are given: positive as often as not, since much is only defined there."""
        name = "abcdefghijkl"[len(self.leaves)]
        if values is None:
            low = 0.3 if self.generator.random() < 0.5 else -2.0
            values = rounded(self.generator.uniform(low, 2.0, shape))
        self.arrays[name] = self.values[name] = values
        self.leaves.append(name)
        return name

    def constant(self, shape: tuple[int, ...]) -> str:
        """A new constant."""
        name = f"constant{len(self.constants)}"
        self.arrays[name] = self.values[name] = rounded(self.generator.uniform(0.3, 2.0, shape))
        self.constants.append(name)
        return name

    def add(self, operation: str, operands: tuple[Operand, ...], options: Mapping[str, Any] | None = None) -> str | None:
        """The output of a new node; None where its operands or its value are not ordinary."""
        entry = OPERATIONS[operation]
        if takes_twice(Node(operation, operands, "")) and "self" not in self.features.get(operation, ()):
            return None
        options = {**(options or {}), **self.engine.variant_of(operation)}
        node = Node(operation, operands, f"v{len(self.nodes)}", options, entry.kind == "list")
        given = node.given(self.values)
        try:
            if entry.kind != "choice" and not entry.allows(given, options):
                return None
            with np.errstate(all="ignore"):
                value = value_of(operation, given, options)
        except (ValueError, IndexError, TypeError):
            return None
        if (
            value.ndim not in self.engine.ranks
            or value.size == 0
            or value.size > LARGEST_SIZE
            or not np.all(np.isfinite(value))
            or np.max(np.abs(value)) > LARGEST_VALUE
        ):
            return None
        self.nodes.append(node)
        self.values[node.output] = value
        return node.output

    def graph(self, output: str, features: tuple[str, ...]) -> Graph:
        """The graph so far, differentiated once from this value."""
        return Graph(
            dict(self.arrays),
            tuple(self.leaves),
            tuple(self.nodes),
            (Pass(output, len(self.nodes)),),
            tuple(self.constants),
            features=features,
        )


def stratum_of(features: Features, engine: Engine, index: int) -> str:
    """What the graph of this index is drawn as."""
    numbers = 0 in engine.ranks and any("zero-dim" in one for one in features.values())
    strata = [stratum for stratum in STRATA if stratum != "zero-dim" or numbers] + [*RETAINED] * engine.retain_graph
    stratum = strata[index % len(strata)]
    return "zero-dim" if engine.scalar and stratum == "mixed" else stratum


def draw_graph(features: Features, engine: Engine, ending: Ending, *, seed: int, index: int, stratum: str = "") -> Graph | None:
    """The graph of this index, or None where nothing could be drawn.

    Args:
        features: by operation, what is right alone.
        stratum: what it is drawn as; "" for what this index is.
    """
    generator = np.random.default_rng([seed, index, 7])
    stratum = stratum or stratum_of(features, engine, index)
    growing = Growing(engine, features, generator)
    match stratum:
        case "chain":
            output = _chain(growing)
        case "pair":
            output = _pair(growing)
        case "wide":
            output = _wide(growing)
        case _:
            output = _free(growing, stratum)
    if output is None:
        return None
    graph = growing.graph(output, (stratum,))
    if stratum == "equal leaves" and len(growing.leaves) > 1:
        same = {growing.leaves[1]: growing.leaves[0]} if generator.random() < 0.5 else {}
        graph = replace(graph, same=same)
    graph = ended(graph, ending, generator, growing.values[output].shape)
    if stratum == "second call":
        return _cleared(replace(graph, passes=(*graph.passes, graph.passes[0])), growing)
    if stratum in ("after an old one", "two losses"):
        return _again(graph, growing, ending, shared=stratum == "two losses")
    return graph


def _cleared(graph: Graph, growing: Growing) -> Graph:
    """With `zero_grad` before the last pass, or before each, as in training; or without."""
    chance = growing.generator.random() if growing.engine.has_zero_grad else 1.0
    first, last = (replace(one, clear=chance < bound) for one, bound in zip(graph.passes, (0.35, 0.7), strict=True))
    return replace(graph, passes=(first, last))


def _free(growing: Growing, stratum: str) -> str | None:
    """A few leaves, then nodes over whatever is there."""
    generator = growing.generator
    leaves = int(generator.integers(1, 4)) if stratum != "equal leaves" else 2
    shape = () if stratum == "zero-dim" else _shape(growing)
    for number in range(leaves):
        other = shape if stratum != "mixed" or number == 0 else _shape(growing)
        values = growing.arrays["a"].copy() if stratum == "equal leaves" and number else None
        growing.leaf(other, values)
    if growing.engine.has_constant and generator.random() < 0.3:
        growing.constant(shape)
    if stratum == "unused":
        growing.leaf(shape)
    return _grow(growing, int(generator.integers(2, 9)), fan_out=stratum == "fan-out", unused=stratum == "unused")


def _shape(growing: Growing) -> tuple[int, ...]:
    engine = growing.engine
    shapes = [shape for shape in SHAPES if len(shape) in engine.ranks and max(shape) <= engine.largest] or [()]
    return shapes[int(growing.generator.integers(len(shapes)))]


def _of_rank(engine: Engine, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The first of the shapes that the engine takes, else one of its own."""
    return next((shape for shape in (*shapes, (), (2, 3, 2)) if len(shape) in engine.ranks), ())


def _grow(growing: Growing, count: int, *, fan_out: bool = False, unused: bool = False) -> str | None:
    """More nodes; then what nobody reads is joined by sums of one shape, unless a branch is meant to stay unused."""
    begin = len(growing.nodes)
    for _ in range(8 * count):
        if len(growing.nodes) - begin >= count:
            break
        proposed = propose(growing.features, growing.values, growing.generator, fan_out=fan_out)
        if proposed is not None:
            growing.add(*proposed)
    own = [node.output for node in growing.nodes[begin:]]
    if not own:
        return None
    output = own[-1]
    read = {operand for node in growing.nodes for operand in node.operands}
    for other in own[:-1] if not unused else []:
        fits = growing.values[other].shape == growing.values[output].shape
        if other not in read and fits and growing.can("add"):
            output = growing.add("add", (output, other)) or output
    return output


def _chain(growing: Growing) -> str | None:
    """A long chain of operations that keep their values small."""
    engine = growing.engine
    shape = _of_rank(engine, (3,), (2, 3))
    kinds = [name for name in ("tanh", "sin", "sigmoid", "neg", "relu") if growing.can(name, zero_dim=not shape)]
    sums = [name for name in ("add", "sub", "mul") if growing.can(name, zero_dim=not (shape or engine.scalar))]
    length = int(growing.generator.integers(min(20, engine.chain), engine.chain + 1))
    first = output = growing.leaf(shape, rounded(growing.generator.uniform(0.3, 0.9, shape)))
    other = growing.leaf(shape, rounded(growing.generator.uniform(0.3, 0.9, shape)))
    if not sums and not kinds:
        return None
    for _ in range(2 * length):
        if len(growing.nodes) >= length:
            break
        if kinds and (not sums or growing.generator.random() < 0.5):
            proposed: tuple[str, tuple[Operand, ...]] = (str(growing.generator.choice(kinds)), (output,))
        else:
            proposed = (str(growing.generator.choice(sums)), (output, str(growing.generator.choice([first, other, output]))))
        value = growing.add(*proposed)
        output = value or output
    return output if growing.nodes else None


def _wide(growing: Growing) -> str | None:
    """A sum of many terms over the same few leaves."""
    shape = _of_rank(growing.engine, (3,), (2, 3))
    for _ in range(2):
        growing.leaf(shape)
    if not growing.can("add", zero_dim=not (shape or growing.engine.scalar)):
        return None
    output = growing.leaves[0]
    for _ in range(int(growing.generator.integers(8, 30))):
        term = _one(growing, shape, of=str(growing.generator.choice(growing.leaves)))
        output = (growing.add("add", (output, term)) if term is not None else None) or output
    return output if growing.nodes else None


def _pair(growing: Growing) -> str | None:
    """One operation on what another computed, whose value has a second user, before or after it."""
    generator = growing.generator
    shape = _of_rank(growing.engine, *(((3,), (2, 3), (3, 3))[int(one)] for one in generator.permutation(3)))
    for _ in range(2):
        growing.leaf(shape)
    early = generator.random() < 0.5
    middle = _one(growing, shape)
    if middle is None:
        return None
    user = _one(growing, shape, of=middle) if early else None
    last = _one(growing, None, of=middle)
    if last is None:
        return None
    user = user or _one(growing, shape, of=middle)
    for other in (user, middle):
        if other is not None and growing.values[other].shape == growing.values[last].shape and growing.can("add"):
            last = growing.add("add", (last, other)) or last
    return last


def _one(growing: Growing, shape: tuple[int, ...] | None, of: str | None = None) -> str | None:
    """One more node, over this value among others, whose own value has this shape, where one is required."""
    for _ in range(30):
        values = growing.values if of is None else {of: growing.values[of], **{name: growing.values[name] for name in growing.leaves}}
        proposed = propose(growing.features, values, growing.generator, first=of)
        if proposed is None:
            continue
        before = len(growing.nodes)
        output = growing.add(*proposed)
        if output is not None and (shape is None or growing.values[output].shape == shape):
            return output
        del growing.nodes[before:]
        if output is not None:
            del growing.values[output]
    return None


def _again(graph: Graph, growing: Growing, ending: Ending, *, shared: bool) -> Graph | None:
    """A second graph over the same leaves (`shared`: over the first one's values too) after the first one's backward pass; with
    `zero_grad` between them every other time."""
    values = growing.values if shared else {name: growing.values[name] for name in growing.leaves}
    rest = replace(growing, values=dict(values), nodes=list(graph.nodes))
    output = _grow(rest, 3)
    if output is None:
        return None
    both = replace(graph, nodes=tuple(rest.nodes), passes=(*graph.passes, Pass(output, len(rest.nodes))))
    return ended(_cleared(both, growing), ending, growing.generator, rest.values[output].shape)
