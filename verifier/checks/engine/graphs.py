"""Graphs over the operations that are right alone: what is wrong here is the engine's, until a simpler graph says otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field

from verifier.checks.engine.alone import Alone
from verifier.checks.engine.asking import Asking, Reply
from verifier.checks.engine.comparing import Compared, Departure, compare_reply, narrower
from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.drawing import draw_graph
from verifier.contracts.engine.graph import Graph
from verifier.oracles.graphs import refer_graph

TOGETHER = 20
ENOUGH = 12  # graphs that fail: more say nothing new


@dataclass(frozen=True)
class Failed:
    """A graph whose answer is wrong."""

    index: int
    graph: Graph
    compared: Compared

    @property
    def departure(self) -> Departure:
        return self.compared.departures[0]


@dataclass
class Answers:
    """What came of all graphs."""

    asked: int = 0
    right: int = 0
    failed: list[Failed] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    changed: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    resolves: list[float] = field(default_factory=list)
    worst: float = 0.0


def ask_graphs(asking: Asking, alone: Alone, *, count: int, seed: int, tell: Callable[[str, int, int], None]) -> Answers:
    """Draw, ask and compare so many graphs; ends early where enough of them failed."""
    answers = Answers()
    features = alone.features(asking.engine.ranks)
    if not features:
        return answers
    for begin in range(0, count, TOGETHER):
        tell("graphs", begin, count)
        drawn = [
            (index, draw_graph(features, asking.engine, alone.ending, seed=seed, index=index))
            for index in range(begin, min(begin + TOGETHER, count))
        ]
        graphs = [(index, graph) for index, graph in drawn if graph is not None]
        replies = asking.ask([graph for _, graph in graphs], dtype=alone.dtype)
        for (index, graph), reply in zip(graphs, replies, strict=True):
            _judge(index, graph, reply, asking.engine, alone, answers)
        if len(answers.failed) >= ENOUGH:
            break
    return answers


def ask_again(asking: Asking, alone: Alone, graph: Graph, answers: Answers) -> None:
    """Ask one stored graph; where the engine computes in a narrower type than it is given, it is judged by that type."""
    reply = asking.one(graph, dtype=alone.dtype)
    alone.computes_in = narrower(reply, alone.computes_in) or alone.computes_in
    _judge(0, graph, reply, asking.engine, alone, answers)


def fails(asking: Asking, alone: Alone, graph: Graph) -> Compared | None:
    """The departures of one graph, where it has any; None where it is right or refused."""
    reply = asking.one(graph, dtype=alone.dtype)
    if reply.stopped is not None:
        return None
    compared = compared_with_truth(graph, reply, asking.engine, alone)
    return compared if compared.departures else None


def compared_with_truth(graph: Graph, reply: Reply, engine: Engine, alone: Alone) -> Compared:
    reference = refer_graph(graph, epsilon=alone.epsilon, accumulates=engine.accumulates)
    return compare_reply(graph, reply, reference, engine)


def _judge(index: int, graph: Graph, reply: Reply, engine: Engine, alone: Alone, answers: Answers) -> None:
    answers.asked += 1
    stopped = reply.stopped
    if stopped is not None:
        counted = answers.late if stopped.place == "backward" else answers.refused
        counted[stopped.words] = counted.get(stopped.words, 0) + 1
        return
    compared = compared_with_truth(graph, reply, engine, alone)
    answers.notes |= dict.fromkeys(compared.notes)
    answers.changed += bool(reply.changed)
    if compared.departures:
        answers.failed.append(Failed(index, graph, compared))
        return
    answers.right += 1
    if compared.worst is not None:
        answers.worst = max(answers.worst, compared.worst.ratio)
        answers.resolves.append(compared.worst.resolves)
