"""An engine's answer beside the right one: what departs, by how much, and what it was held to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from verifier.arrays import Array
from verifier.checks.engine.asking import Reply, direction
from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.graph import Graph
from verifier.oracles.engine.graphs import Answered, GraphReference, refer_graph
from verifier.tolerance import Comparison, compare

FloatArray = np.ndarray


@dataclass(frozen=True)
class Departure:
    """A value or gradient that is wrong.

    Attributes:
        what: `value` or `gradient`; `tensor` names the node or leaf, `number` the pass.
        comparison: the worst element; None where the shapes do not fit.
        claimed, right: whole, for the diagnosis.
    """

    what: str
    tensor: str
    number: int
    comparison: Comparison | None
    claimed: FloatArray
    right: FloatArray
    words: str = ""


@dataclass(frozen=True)
class Compared:
    """All departures of one answer, and forms that were accepted although another was asked for.

    `reshaped`: nodes whose value came back with other axes of size 1.
    """

    departures: tuple[Departure, ...] = ()
    notes: tuple[str, ...] = ()
    reshaped: frozenset[str] = frozenset()
    worst: Comparison | None = None


def compare_with_truth(
    graph: Graph, reply: Reply, engine: Engine, epsilon: float, *, measured: bool = True, conjugate: bool = False
) -> Compared:
    """What departs in an answer from the right one.

    Args:
        conjugate: of complex numbers, whether gradients are meant without PyTorch's conjugation.
        measured: whether the scatter is measured anyway, for the report. Else only where the answer is not right to the last bits: no
            scatter makes a tolerance smaller, and four noisy copies cost four times as much as the right answer.
    """
    if not measured:
        reference = refer_graph(graph, epsilon=epsilon, accumulates=engine.accumulates, copies=0)
        compared = compare_reply(graph, reply, reference, engine)
        if not compared.departures:
            return replace(compared, worst=None)
    reference = refer_graph(graph, epsilon=epsilon, accumulates=engine.accumulates, conjugate=conjugate)
    return compare_reply(graph, reply, reference, engine)


def compare_reply(graph: Graph, reply: Reply, reference: GraphReference, engine: Engine, *, values: bool = True) -> Compared:
    """What departs in an answer: values first (a right gradient of another function is no use), then gradients, pass by pass."""
    departures: list[Departure] = []
    notes: list[str] = []
    compared: list[Comparison] = []
    reshaped = set()
    for name, claimed in reply.values.items() if values else ():
        if name in reference.values:
            if claimed.shape != reference.values[name].right.shape:
                reshaped.add(name)
            _compare("value", name, 0, claimed, reference.values[name], departures, notes, compared)
    what = "second derivative" if graph.directions else "gradient"
    for number, gradients in enumerate(reply.gradients):
        used = graph.reached(number)
        for leaf in graph.leaves:
            if not engine.accumulates and number and leaf not in used:
                continue
            right = reference.passes[number][leaf]
            found = gradients[leaf]
            claimed = np.zeros(right.right.shape) if found is None else found
            if engine.mode == "directions":
                # The derivative has the output's shape, and each element of an output counts 1.
                right, claimed = _along(graph, leaf, right), np.asarray(np.sum(claimed))
            _compare(what, leaf, number, claimed, right, departures, notes, compared)
    worst = max(compared, key=lambda one: one.ratio, default=None)
    return Compared(tuple(departures), tuple(dict.fromkeys(notes)), frozenset(reshaped), worst)


def _along(graph: Graph, leaf: str, answered: Answered) -> Answered:
    along = direction(graph, leaf)
    return Answered(np.asarray(np.sum(answered.right * along)), np.asarray(np.sum(answered.tolerance * np.abs(along))))


def _compare(
    what: str,
    name: str,
    number: int,
    claimed: Array,
    answered: Answered,
    departures: list[Departure],
    notes: list[str],
    compared: list[Comparison],
) -> None:
    right = answered.right
    numbers = np.asarray(claimed, dtype=np.float64)
    if numbers.shape != right.shape:
        fitted = _fitted(numbers, right.shape)
        if fitted is None:
            words = f"has shape {numbers.shape}, should be {right.shape}"
            departures.append(Departure(what, name, number, None, numbers, right, words))
            return
        notes.append(f"the {what} of {'a node' if what == 'value' else 'a leaf'} of shape {right.shape} came back as {numbers.shape}")
        numbers = fitted
    comparison = compare(numbers, right, answered.tolerance)
    if comparison is None:
        return
    compared.append(comparison)
    if not comparison.within:
        departures.append(Departure(what, name, number, comparison, numbers, right))


def _fitted(numbers: FloatArray, shape: tuple[int, ...]) -> FloatArray | None:
    """The same numbers in the right shape, where that is only a matter of axes of size 1; one number for all elements too."""
    if numbers.size == int(np.prod(shape)) and [one for one in numbers.shape if one != 1] == [one for one in shape if one != 1]:
        return numbers.reshape(shape)
    return np.broadcast_to(numbers, shape) if numbers.ndim == 0 else None


def narrower(reply: Reply, dtype: str) -> str | None:
    """The narrowest floating type that came back, where it is narrower than what was given."""
    arrays: list[Array] = [*reply.values.values(), *(one for gradients in reply.gradients for one in gradients.values() if one is not None)]
    sizes: Mapping[int, str] = {2: "float16", 4: "float32"}
    least = min((array.dtype.itemsize for array in arrays if array.dtype.kind == "f"), default=8)
    return sizes.get(least) if least < np.dtype(dtype).itemsize else None
