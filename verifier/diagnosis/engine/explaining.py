"""What was found about an engine -> explanations: observations for `diagnosis`, and the ways through a graph that predict its numbers."""

from collections.abc import Sequence

import numpy as np

from verifier.checks.engine.alone import Alone, Asked
from verifier.checks.engine.graphs import Answers
from verifier.checks.engine.shrinking import Smallest
from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.endings import values_of
from verifier.contracts.engine.graph import Graph
from verifier.diagnosis.engine.blame import Structure, Tested, blame_alone, blame_graph
from verifier.diagnosis.engine.relations import Observation
from verifier.oracles.graphs import refer_graph
from verifier.oracles.schedules import simulate
from verifier.results.report import Diagnosis

LARGEST = 60  # nodes of a graph whose wrong ways are simulated


def explain(engine: Engine, alone: Alone, answers: Answers, smallest: Smallest | None) -> tuple[Diagnosis, ...]:
    """The explanations, the most telling first: what the smallest graph shows, then what operations alone do."""
    found: list[Diagnosis] = []
    if answers.failed and smallest is not None and smallest.check == "graphs":
        found.append(blame_graph(_structure(smallest, alone, engine)))
    tested = [
        Tested(name, feature, all(one.status in ("right", "convention") for one in questions if one.case.feature == feature))
        for name, questions in alone.asked.items()
        for feature in dict.fromkeys(one.case.feature for one in questions if one.status not in ("refuses", "late"))
    ]
    observations = [seen for one in alone.wrong() for seen in _observations(one, alone)]
    return tuple([*found, *blame_alone(tested, observations)])


def _observations(asked: Asked, alone: Alone) -> list[Observation]:
    """What is wrong in one question, operand by operand; a wrong value has no operand."""
    graph, values = asked.graph, values_of(asked.graph)
    reference = refer_graph(graph, epsilon=alone.epsilon, cotangents=True)
    node = graph.nodes[0]
    operands = {name: values[name] for name in node.operands if isinstance(name, str)}
    cotangent = reference.passes[0].get(node.output)
    if asked.status == "value":
        claimed = next(one for one in asked.compared.departures if one.what == "value")
        slope = None
        if claimed.tensor == node.output and cotangent is not None and len(operands) == 1 and len(node.operands) == 1:
            right = reference.passes[0][next(iter(operands))].right
            slope = right / cotangent.right if right.shape == cotangent.right.shape else None
        seen = Observation(asked.case.operation, asked.case.feature, "", claimed.claimed, claimed.right, None, claimed.right, {}, {}, slope)
        return [seen]
    found = []
    for departure in asked.compared.departures:
        others = {
            name: reference.passes[0][name].right for name in graph.leaves if name != departure.tensor and not name.startswith("weights")
        }
        found.append(
            Observation(
                asked.case.operation,
                asked.case.feature,
                departure.tensor,
                departure.claimed,
                departure.right,
                None if cotangent is None else cotangent.right,
                values[node.output],
                operands,
                others,
            )
        )
    return found


def _structure(smallest: Smallest, alone: Alone, engine: Engine) -> Structure:
    graph = smallest.graph
    uses: dict[str, int] = {}
    for node in graph.nodes:
        for operand in node.operands:
            if isinstance(operand, str):
                uses[operand] = uses.get(operand, 0) + 1
    names = [node.operation for node in graph.nodes if not node.output.startswith(("weighted", "total"))]
    both = any(len(set(node.operands)) < len(node.operands) for node in graph.nodes)
    return Structure(
        scheduled=_scheduled(smallest, engine),
        operations=list(dict.fromkeys(names or [node.operation for node in graph.nodes])),
        uses=max(uses.values(), default=0),
        both=both,
        passes=len(graph.passes),
        same=bool(graph.same),
        features=graph.features,
    )


def _scheduled(smallest: Smallest, engine: Engine) -> Sequence[str]:
    graph, claimed = smallest.graph, smallest.reply.gradients
    if (
        any(one.what == "value" for one in smallest.compared.departures)
        or not claimed
        or len(graph.nodes) > LARGEST
        or engine.mode == "directions"
    ):
        return ()
    if len(graph.passes) > 1:
        return _over_calls(smallest, engine)
    return [name for name, predicted in simulate(graph) if _predicts(predicted, smallest, 0)]


def _over_calls(smallest: Smallest, engine: Engine) -> Sequence[str]:
    graph: Graph = smallest.graph
    epsilon = float(np.finfo(np.float32).eps)
    other = refer_graph(graph, epsilon=epsilon, accumulates=not engine.accumulates)
    if _predicts({name: other.passes[-1][name].right for name in graph.leaves}, smallest, len(graph.passes) - 1):
        if any(one.clear for one in graph.passes):
            return ["not-cleared"]
        return ["not-accumulated-over-calls" if engine.accumulates else "accumulated-over-calls"]
    if graph.passes[-1].clear:
        uncleared = Graph(
            **{**vars(graph), "passes": tuple(type(one)(one.output, one.nodes, one.cotangent, False) for one in graph.passes)}
        )
        kept = refer_graph(uncleared, epsilon=epsilon, accumulates=True)
        if _predicts({name: kept.passes[-1][name].right for name in graph.leaves}, smallest, len(graph.passes) - 1):
            return ["not-cleared"]
    return ["stale"]


def _predicts(predicted: dict[str, np.ndarray] | object, smallest: Smallest, number: int) -> bool:
    """Whether these gradients are the engine's, within the tolerance of the right ones, and are not the right ones."""
    assert isinstance(predicted, dict)
    if number >= len(smallest.reply.gradients):
        return False
    reference = smallest.reference.passes[number]
    differs = False
    for name, array in predicted.items():
        found = smallest.reply.gradients[number].get(name)
        claimed = np.zeros(array.shape) if found is None else np.asarray(found, dtype=np.float64)
        tolerance = np.maximum(reference[name].tolerance, 1e-6 * np.abs(array))
        if claimed.shape != array.shape or np.any(np.abs(claimed - array) > tolerance):
            return False
        differs = differs or bool(np.any(np.abs(array - reference[name].right) > tolerance))
    return differs
