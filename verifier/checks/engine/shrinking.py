"""The smallest graph that still fails, found by taking away whatever can go; bounded by the number of graphs asked."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from verifier.checks.engine.alone import Alone
from verifier.checks.engine.asking import Asking, Reply
from verifier.checks.engine.comparing import Compared, Departure, compare_with_truth
from verifier.checks.engine.graphs import Answers, fails
from verifier.contracts.engine.graph import Graph, shares_nodes, takes_twice
from verifier.contracts.engine.smaller import size_of, smaller, tidied
from verifier.oracles.engine.graphs import GraphReference, refer_graph

TRIED = 2  # failing graphs that are asked again in fresh workers
SHARE = 4  # of a profile's budget that goes into one search: graphs are cheap to ask and dear to refer


@dataclass(frozen=True)
class Smallest:
    """The smallest failing graph, the engine's answer to it, with every value and what cotangents can be read, and the right one.

    `check` is the id of the check that it fails.
    """

    graph: Graph
    reply: Reply
    reference: GraphReference
    compared: Compared
    check: str

    @property
    def departure(self) -> Departure:
        """The worst of what is wrong: values before gradients."""
        return min(self.compared.departures, key=lambda one: (one.what != "value", one.tensor.startswith("weights")))


def smallest_failure(asking: Asking, alone: Alone, answers: Answers, *, budget: int) -> Smallest | None:
    """The smallest failing graph; from a graph of many nodes if any failed, else from an operation alone."""
    starts: list[tuple[Graph, str, str]] = [(one.graph, "graphs", one.departure.what) for one in answers.failed]
    wrong = [one for one in alone.wrong() if one.departure is not None and not one.graph.complex]
    shown = [one for one in wrong if one.case.column != "empty"] or wrong  # arrays without elements show nothing to follow
    starts += [(one.graph, "operations", one.departure.what) for one in shown if one.departure is not None]
    if not starts:
        return None
    checked = [start for start in starts if start[1] == starts[0][1]]
    graph, check, what = _start(asking, alone, checked) if budget else checked[0]
    left = budget and max(20, budget // SHARE)
    while left > 0:
        found, used = _next(asking, alone, graph, what, left)
        left -= used
        if found is None:
            break
        graph = found
    graph = tidied(graph)
    if graph.untracked:
        asking.restart()
    reply = asking.one(graph, dtype=alone.dtype, show=[node.output for node in graph.nodes])
    reference = refer_graph(graph, epsilon=alone.epsilon, accumulates=asking.engine.accumulates, cotangents=True)
    compared = compare_with_truth(graph, reply, asking.engine, alone.epsilon)
    return Smallest(graph, reply, reference, compared, check) if compared.departures else None


def _start(asking: Asking, alone: Alone, starts: Sequence[tuple[Graph, str, str]]) -> tuple[Graph, str, str]:
    """The smallest that also fails in a worker that was asked nothing before; of an engine that keeps something, the first that did."""
    ordered = sorted(starts, key=lambda start: size_of(start[0]))
    for start in [*ordered[:TRIED], *starts[:TRIED]]:
        asking.restart()
        if fails(asking, alone, start[0]) is not None:
            return start
    return ordered[0]


def _next(asking: Asking, alone: Alone, graph: Graph, what: str, left: int) -> tuple[Graph | None, int]:
    """The first smaller graph that fails in the same way, and how many were asked."""
    used = 0
    twice = {one.case.operation for one in alone.wrong() if one.case.feature == "self"}
    for candidate in _candidates(graph):
        if used >= left:
            break
        if _wrong_by_itself(candidate, graph, twice):
            continue
        used += 1
        if graph.untracked:  # what a wrong `no_grad` leaves behind would make each smaller graph fail
            asking.restart()
        compared = fails(asking, alone, candidate)
        if compared is not None and any(one.what == what for one in compared.departures):
            return candidate, used
    return None, used


def _wrong_by_itself(candidate: Graph, graph: Graph, twice: Collection[str]) -> bool:
    """Whether the smaller graph has one value as both operands of an operation that is wrong then, and the graph has none: it would fail
    for another reason than the graph."""
    return _has_twice(candidate, twice) and not _has_twice(graph, twice)


def _has_twice(graph: Graph, operations: Collection[str]) -> bool:
    return any(node.operation in operations and takes_twice(node) for node in graph.nodes)


def _candidates(graph: Graph) -> Iterator[Graph]:
    size = size_of(graph)
    for candidate in smaller(graph):
        # A graph after an old one must not become a second call on the old one.
        if size_of(candidate) < size and (shares_nodes(graph) or not shares_nodes(candidate)):
            yield candidate
