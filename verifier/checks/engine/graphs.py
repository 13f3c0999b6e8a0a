"""Graphs over the operations that are right alone: what is wrong here is the engine's, until a simpler graph says otherwise."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from verifier.checks.engine.alone import Alone, Asked
from verifier.checks.engine.asking import Asking, Reply
from verifier.checks.engine.comparing import Compared, Departure, compare_with_truth, narrower
from verifier.checks.engine.unjudged import kinds_of
from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.composing import composed, in_place, read_again, twins, untracked
from verifier.contracts.engine.drawing import RETAINED, draw_graph
from verifier.contracts.engine.endings import shape_of
from verifier.contracts.engine.graph import Graph, shares_nodes
from verifier.contracts.engine.steps import Features

TOGETHER = 20
ENOUGH = 12  # graphs that fail: more say nothing new
COMPOSED_SHARE = 75  # quick composes each operation in two ways, ci in four
UNCLAIMED = 3
ANEW = "a second graph over the same leaves is right only if `fresh` is called before it"
MEASURED = 4  # the scatter of every fourth graph says what a run resolves


@dataclass(frozen=True)
class Failed:
    """A graph whose answer is wrong."""

    index: int
    graph: Graph
    compared: Compared
    reply: Reply

    @property
    def departure(self) -> Departure:
        """The first departure in the order of the graph."""
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
    unclaimed: str = ""
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By what a graph was drawn as: how many were asked, and how many were right."""

    def count(self, graph: Graph, *, right: bool) -> None:
        """Count one graph that was asked."""
        self.asked += 1
        self.right += right
        for kind in kinds_of(graph):
            asked, known = self.kinds.get(kind, (0, 0))
            self.kinds[kind] = asked + 1, known + right


def ask_graphs(asking: Asking, alone: Alone, *, count: int, seed: int, tell: Callable[[str, int, int], None]) -> Answers:
    """Draw, ask and compare so many graphs; ends early where enough of them failed."""
    answers = Answers()
    features = alone.features(asking.engine.ranks)
    if not features:
        return answers
    most = max(2, count // COMPOSED_SHARE)
    marked = marked_compositions(asking.engine, alone, features, seed, most=most)
    graphs = [*compositions(alone, features, seed, most=most), *marked, *range(count)]
    for begin in range(0, len(graphs), TOGETHER):
        tell("graphs", begin, len(graphs))
        drawn = [
            draw_graph(features, asking.engine, alone.ending, seed=seed, index=one) if isinstance(one, int) else one
            for one in graphs[begin : begin + TOGETHER]
        ]
        asked = [graph for graph in drawn if graph is not None]
        for graph, reply in zip(asked, asking.ask(asked, dtype=alone.dtype), strict=True):
            _judge(*_begun_anew(asking, alone, graph, reply), asking.engine, alone, answers)
        if len(answers.failed) >= ENOUGH:
            break
    if asking.engine.mode == "backward" and not asking.engine.retain_graph and not answers.failed:
        answers.unclaimed = ask_unclaimed(asking, alone, features, seed)
    return answers


def compositions(alone: Alone, features: Features, seed: int, *, most: int) -> list[Graph]:
    """Each operation over computed operands with a second reader, in up to so many of the ways in which it is right alone."""
    found: list[Graph | None] = []
    for name, questions in alone.asked.items():
        for number, one in enumerate(_ways(questions, features.get(name, ()), most)):
            generator = np.random.default_rng([seed, number, 13, *name.encode()])
            graph = composed(replace(one.case.graph, nodes=one.graph.nodes[:1]), features, alone.ending, generator, early=number % 2 == 0)
            found.append(graph)
            if number == 0:
                found.append(read_again(one.graph, features, alone.ending, generator))
                found += [twins(one.graph, shared=shared) for shared in (True, False)]
    return [graph for graph in found if graph is not None]


def marked_compositions(engine: Engine, alone: Alone, features: Features, seed: int, *, most: int) -> list[Graph]:
    """Each operation in place, where the engine does it so; and where it has `no_grad`, each under it, with readers before and after."""
    found = []
    # Right engines refuse what they would get wrong, and each refusal costs a worker: one such question is enough.
    saving = next((name for name in alone.asked if name in engine.in_place), "")
    for name, questions in alone.asked.items():
        writes = name in engine.in_place
        for number, one in enumerate(_ways(questions, features.get(name, ()), most) if writes or engine.has_no_grad else ()):
            generator = np.random.default_rng([seed, number, 17, *name.encode()])
            single = replace(one.case.graph, nodes=one.graph.nodes[:1])
            if engine.has_no_grad and number == 0:
                both = [composed(single, features, alone.ending, generator, early=early) for early in (True, False)]
                found += [untracked(graph) for graph in both if graph is not None]
            into = single.nodes[0].operands[0]
            fits = isinstance(into, str) and shape_of(single, single.nodes[0].output) == single.arrays[into].shape
            for saves in (False, True)[: 1 + (name == saving)] if writes and fits else ():
                graph = composed(single, features, alone.ending, generator, early=True, saving=saves)
                written = None if graph is None else in_place(graph)
                found += [] if written is None else [written]
    return found


def _ways(questions: Sequence[Asked], own: Collection[str], most: int) -> list[Asked]:
    """A question for each way in which an operation is right alone, up to so many; edges are no ways."""
    ways = {one.case.feature: one for one in questions if one.case.feature in own and one.case.column != "edge" and one.status == "right"}
    return list(ways.values())[:most]


def ask_unclaimed(asking: Asking, alone: Alone, features: Features, seed: int) -> str:
    """What a second backward call over a graph does in an engine that does not claim it (`retain_graph`): a note, and no fault."""
    found: dict[str, None] = {}
    for stratum in RETAINED:
        drawn = (draw_graph(features, asking.engine, alone.ending, seed=seed, index=index, stratum=stratum) for index in range(UNCLAIMED))
        graphs = [graph for graph in drawn if graph is not None]
        for graph, reply in zip(graphs, asking.ask(graphs, dtype=alone.dtype), strict=True):
            if reply.stopped is not None:
                found[f"is refused ({reply.stopped.words[:100]})"] = None
            elif compare_with_truth(graph, reply, asking.engine, alone.epsilon, measured=False).departures:
                found["adds what the first one left in the nodes"] = None
    return " or ".join(list(found)[:2])


def ask_again(asking: Asking, alone: Alone, graph: Graph, answers: Answers) -> None:
    """Ask one stored graph; where the engine computes in a narrower type than it is given, it is judged by that type."""
    reply = asking.one(graph, dtype=alone.dtype)
    alone.computes_in = narrower(reply, alone.computes_in) or alone.computes_in
    _judge(*_begun_anew(asking, alone, graph, reply), asking.engine, alone, answers)


def fails(asking: Asking, alone: Alone, graph: Graph) -> Compared | None:
    """The departures of one graph, where it has any; None where it is right or refused."""
    graph, reply = _begun_anew(asking, alone, graph, asking.one(graph, dtype=alone.dtype))
    if reply.stopped is not None:
        return None
    compared = compare_with_truth(graph, reply, asking.engine, alone.epsilon, measured=False)
    return compared if compared.departures else None


def _begun_anew(asking: Asking, alone: Alone, graph: Graph, reply: Reply) -> tuple[Graph, Reply]:
    """The graph with `fresh` called before its later parts, and that answer, if only so it is right: an engine with one global graph may
    need the call between two graphs, and another may lose its leaves by it."""
    if not asking.engine.has_fresh or len(graph.passes) < 2 or shares_nodes(graph) or graph.anew:
        return graph, reply
    anew = replace(graph, anew=True)
    if _is_right(asking, alone, graph, reply):
        return graph, reply
    again = asking.one(anew, dtype=alone.dtype)
    return (anew, again) if _is_right(asking, alone, anew, again) else (graph, reply)


def _is_right(asking: Asking, alone: Alone, graph: Graph, reply: Reply) -> bool:
    return reply.stopped is None and not compare_with_truth(graph, reply, asking.engine, alone.epsilon, measured=False).departures


def _judge(graph: Graph, reply: Reply, engine: Engine, alone: Alone, answers: Answers) -> None:
    stopped = reply.stopped
    if stopped is not None:
        answers.count(graph, right=False)
        counted = answers.late if stopped.place == "backward" else answers.refused
        counted[stopped.words] = counted.get(stopped.words, 0) + 1
        return
    compared = compare_with_truth(graph, reply, engine, alone.epsilon, measured=answers.asked % MEASURED == MEASURED - 1)
    answers.count(graph, right=not compared.departures)
    answers.notes |= dict.fromkeys((*compared.notes, *([ANEW] if graph.anew else [])))
    answers.changed += bool(reply.changed)
    if compared.departures:
        answers.failed.append(Failed(answers.asked - 1, graph, compared, reply))
        return
    if compared.worst is not None:
        answers.resolves.append(compared.worst.resolves)


def operations_in(failed: Sequence[Failed]) -> list[str]:
    """Operations that every failed graph has."""
    common = set.intersection(*(set(one.graph.operations) for one in failed)) if failed else set()
    return sorted(common)
