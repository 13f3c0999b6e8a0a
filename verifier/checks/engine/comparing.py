"""An engine's answer beside the right one: what departs, by how much, and what it was held to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.checks.engine.asking import Reply, direction
from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.graph import Graph
from verifier.oracles.engine.graphs import Answered, GraphReference, path_by_path, refer_graph
from verifier.tolerance import Comparison, compare

PATH_BY_PATH = (
    "where many paths lead to a leaf, its gradients have the rounding of a sum that is added up path by path; "
    "gathering each node's cotangent before it is passed on is exact to more digits, and takes time in proportion to the nodes"
)


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
    claimed: Array
    right: Array
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
        reference = refer_graph(graph, epsilon=epsilon, accumulates=engine.accumulates, copies=0, conjugate=conjugate)
        compared = _compare_reply(graph, reply, reference, engine)
        if not compared.departures:
            return replace(compared, worst=None)
    reference = refer_graph(graph, epsilon=epsilon, accumulates=engine.accumulates, conjugate=conjugate)
    compared = _compare_reply(graph, reply, reference, engine)
    if not compared.departures or graph.directions:
        return compared
    followed = _compare_reply(graph, reply, path_by_path(graph, reference), engine)
    return compared if followed.departures else replace(followed, notes=(*followed.notes, PATH_BY_PATH))


def _compare_reply(graph: Graph, reply: Reply, reference: GraphReference, engine: Engine) -> Compared:
    """What departs in an answer: values first (a right gradient of another function is no use), then gradients, pass by pass."""
    values = [
        _compare("value", name, 0, claimed, reference.values[name]) for name, claimed in reply.values.items() if name in reference.values
    ]
    one_by_one = [*values, *_gradients(graph, reply, reference, engine)]
    return Compared(
        departures=tuple(one.departure for one in one_by_one if one.departure is not None),
        notes=tuple(dict.fromkeys(one.note for one in one_by_one if one.note)),
        reshaped=frozenset(one.tensor for one in values if one.reshaped),
        worst=max((one.comparison for one in one_by_one if one.comparison is not None), key=lambda one: one.ratio, default=None),
    )


def _gradients(graph: Graph, reply: Reply, reference: GraphReference, engine: Engine) -> Iterator["_One"]:
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
            yield _compare(what, leaf, number, claimed, right)


def _along(graph: Graph, leaf: str, answered: Answered) -> Answered:
    along = direction(graph, leaf)
    return Answered(np.asarray(np.sum(answered.right * along)), np.asarray(np.sum(answered.tolerance * np.abs(along))))


@dataclass(frozen=True)
class _One:
    """One tensor compared: nothing but its name where it has no elements."""

    tensor: str
    comparison: Comparison | None = None
    departure: Departure | None = None
    note: str = ""
    reshaped: bool = False


def _compare(what: str, name: str, number: int, claimed: Array, answered: Answered) -> _One:
    right, note = answered.right, ""
    numbers: FloatArray = np.asarray(claimed, dtype=np.float64)
    reshaped = numbers.shape != right.shape
    if reshaped:
        fits = fitted(numbers, right.shape)
        if fits is None:
            words = f"has shape {numbers.shape}, should be {right.shape}"
            return _One(name, None, Departure(what, name, number, None, numbers, right, words), reshaped=True)
        note = f"the {what} of {'a node' if what == 'value' else 'a leaf'} of shape {right.shape} came back as {numbers.shape}"
        numbers = fits
    comparison = compare(numbers, right, answered.tolerance)
    wrong = comparison is not None and not comparison.within
    departure = Departure(what, name, number, comparison, numbers, right) if wrong else None
    return _One(name, comparison, departure, note, reshaped)


def fitted(numbers: Array, shape: tuple[int, ...]) -> Array | None:
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
