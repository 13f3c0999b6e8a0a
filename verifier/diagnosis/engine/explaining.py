"""What was found about an engine -> explanations: observations for `diagnosis`, and the ways through a graph that predict its numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.checks.engine.alone import Alone, Asked
from verifier.checks.engine.graphs import Answers, Failed, operations_in
from verifier.checks.engine.shrinking import Smallest
from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.endings import values_of
from verifier.contracts.engine.graph import Graph, Node, takes_twice
from verifier.contracts.engine.operations.joining import decode_index
from verifier.diagnosis.engine.blame import SCHEDULES, SHARED, Tested, blame_alone, blame_graph
from verifier.diagnosis.engine.relations import Observation
from verifier.oracles.engine.graphs import Answered, refer_graph
from verifier.oracles.engine.schedules import PASSING_ON, Gradients, simulate
from verifier.results.report import Diagnosis

HELPING = frozenset(("add", "mul", "sum", "neg"))  # graphs are joined and ended with them
SEVERAL = 3  # operations that have one fault in common
COTANGENT = Diagnosis(
    "engine:cotangent-ignored",
    "",
    "The engine, not one operation: the backward pass starts from ones, whatever cotangent it is given.",
    "predicts the gradients of the operations alone",
)
STALE = Diagnosis(
    "engine:stale",
    "",
    "The engine, not one operation: what earlier graphs left behind is added again.",
    "a wrong question is answered rightly in a process that was asked nothing before",
)
OUTERMOST = Diagnosis(
    "engine:outermost",
    "",
    f"The engine, not one operation: {SCHEDULES['outermost']}.",
    "predicts every wrong gradient of the operations alone",
)
OF_ALL = "outermost"  # a way that would show in every graph
VOTING = 6  # failing graphs that say which of several wrong ways it is
LARGEST = 60  # nodes of a graph whose wrong ways are simulated


def explain(engine: Engine, alone: Alone, answers: Answers, smallest: Smallest | None) -> tuple[Diagnosis, ...]:
    """What is wrong: first what the smallest graph shows, then the engine, then operations that are wrong alone."""
    found: list[Diagnosis] = []
    if answers.failed and smallest is not None and smallest.check == "graphs" and not _explained_alone(alone, answers):
        found.append(_of_graph(smallest, answers, engine))
    found += [*_of_second(alone), *_of_complex(alone)]
    if alone.stale or _ignores_cotangent(alone):
        return (STALE if alone.stale else COTANGENT,)
    if _stops_at_the_output(alone):
        return (OUTERMOST,)
    plain = [one for one in alone.wrong() if not one.graph.directions and not one.graph.complex]
    observations = [seen for one in plain for seen in _observations(one, alone)]
    found += blame_alone(list(_tested(alone)), observations)
    if smallest is not None and smallest.check == "operations":
        node = smallest.graph.nodes[0]
        found.sort(key=lambda one: not _shows(smallest.graph, node, one.fault))
    return tuple(msgspec.structs.replace(one, also=number > 0) for number, one in enumerate(found))


def _shows(graph: Graph, node: Node, fault: str) -> bool:
    """Whether the smallest graph, of this one operation, can be an example of a fault."""
    whose, kind, *_ = fault.split(":")
    if whose == "operation":
        return kind == node.operation
    shapes = {graph.arrays[name].shape for name in node.names}
    match kind:
        case "not-accumulated" | "first-twice":
            return takes_twice(node)
        case "broadcasting":
            return len(shapes) > 1
        case "numbers":
            return len(node.names) < len(node.operands)
        case "zero-dimensional":
            return () in shapes
        case "empty":
            return any(0 in shape for shape in shapes)
    return True


def _tested(alone: Alone) -> Iterator[Tested]:
    for name, questions in alone.asked.items():
        answered = [one for one in questions if one.status not in ("refuses", "late")]
        for feature in dict.fromkeys(one.case.feature for one in answered):
            yield Tested(name, feature, all(one.status in ("right", "convention") for one in answered if one.case.feature == feature))


def _of_second(alone: Alone) -> list[Diagnosis]:
    """Operations whose gradients are right and not differentiated rightly; the engine's fault, where most of them are such."""
    asked = {name: [one for one in questions if one.graph.directions] for name, questions in alone.asked.items()}
    wrong = [name for name, questions in asked.items() if any(one.status in ("value", "gradient") for one in questions)]
    verdict = "is wrong, though its gradient is right"
    if len(wrong) >= SEVERAL and 2 * len(wrong) > sum(map(bool, asked.values())):
        words = f"The engine, not one operation: the gradient of a gradient {verdict} ({', '.join(wrong[:6])})."
        return [Diagnosis("engine:second-order", "", words)]
    return [Diagnosis(f"operation:{name}:second-order", "", f"The second derivative of {name} {verdict}.") for name in wrong]


def _of_complex(alone: Alone) -> list[Diagnosis]:
    """Operations that are wrong over complex numbers by either convention."""
    names = dict.fromkeys(one.case.operation for one in alone.wrong() if one.graph.complex)
    return [Diagnosis(f"operation:{name}:complex", "", f"{name} is wrong over complex numbers, by either convention.") for name in names]


def _explained_alone(alone: Alone, answers: Answers) -> bool:
    """Whether every failing graph has an operation that is wrong alone, in a way of its own."""
    guilty = {
        one.case.operation for one in alone.wrong() if one.case.feature not in SHARED and one.case.column not in ("second", "complex")
    }
    return all(guilty & set(one.graph.operations) for one in answers.failed)


def _ignores_cotangent(alone: Alone) -> bool:
    """Whether every wrong gradient is the right one of a cotangent of ones."""
    wrong = [one for one in alone.wrong() if one.graph.passes[0].cotangent is not None and not one.graph.complex]
    if len({one.case.operation for one in wrong}) < SEVERAL or len(wrong) < len(alone.wrong()):
        return False
    for one in wrong[:: max(1, len(wrong) // SEVERAL)]:
        name = str(one.graph.passes[0].cotangent)
        ones = replace(one.graph, arrays={**one.graph.arrays, name: np.ones_like(one.graph.arrays[name])})
        right, of_ones = (refer_graph(graph, epsilon=alone.epsilon).passes[0] for graph in (one.graph, ones))
        if not one.reply.gradients or not _predicts(
            {leaf: of_ones[leaf].right for leaf in one.graph.leaves}, one.reply.gradients[0], right
        ):
            return False
    return True


def _stops_at_the_output(alone: Alone) -> bool:
    """Whether every wrong gradient is what a pass gives that goes no further than the output's operands."""
    wrong = [one for one in alone.wrong() if len(one.graph.passes) == 1 and not one.graph.complex and one.reply.gradients]
    if len({one.case.operation for one in wrong}) < SEVERAL or len(wrong) < len(alone.wrong()):
        return False
    for one in wrong[:: max(1, len(wrong) // SEVERAL)]:
        right = refer_graph(one.graph, epsilon=alone.epsilon).passes[0]
        if not _predicts(dict(simulate(one.graph))[OF_ALL], one.reply.gradients[0], right):
            return False
    return True


def _observations(asked: Asked, alone: Alone) -> list[Observation]:
    """What is wrong in one question, operand by operand; a wrong value has no operand."""
    graph, values = asked.graph, values_of(asked.graph)
    reference = refer_graph(graph, epsilon=alone.epsilon, cotangents=True)
    node = graph.nodes[0]
    operands = {name: values[name] for name in node.names}
    cotangent = reference.passes[0].get(node.output)
    if asked.status == "value":
        claimed = next(one for one in asked.compared.departures if one.what == "value")
        slope = None
        if claimed.tensor == node.output and cotangent is not None and len(operands) == 1 and len(node.operands) == 1:
            right = reference.passes[0][next(iter(operands))].right
            slope = right / cotangent.right if right.shape == cotangent.right.shape else None
        case = asked.case
        return [Observation(case.operation, case.feature, "", claimed.claimed, claimed.right, None, claimed.right, operands, {}, slope)]
    first_twice = dict(simulate(graph))["first-twice"] if takes_twice(node) and len(graph.passes) == 1 else {}
    gradients, others = reference.passes[0], [name for name in graph.leaves if not name.startswith("weights")]
    return [
        Observation(
            asked.case.operation,
            asked.case.feature,
            departure.tensor,
            departure.claimed,
            departure.right,
            None if cotangent is None else cotangent.right,
            values[node.output],
            operands,
            {name: gradients[name].right for name in others if name != departure.tensor},
            assigned=_assigned(node, departure.right.shape, cotangent.right) if cotangent is not None else None,
            first_twice=first_twice.get(departure.tensor),
        )
        for departure in asked.compared.departures
    ]


def _assigned(node: Node, shape: tuple[int, ...], cotangent: FloatArray) -> FloatArray | None:
    """The gradient of what an index reads if the cotangent is assigned: of a place that is read twice, the last one counts."""
    if node.operation != "getitem":  # of setitem, the index is of the other operand
        return None
    gradient = np.zeros(shape)
    place = decode_index(node.options["index"])
    if gradient[place].shape != cotangent.shape:
        return None
    gradient[place] = cotangent
    return gradient


def _of_graph(smallest: Smallest, answers: Answers, engine: Engine) -> Diagnosis:
    graph = smallest.graph
    suspects = [name for name in operations_in(answers.failed) if name in graph.operations and name not in HELPING]
    value = any(one.what == "value" for one in smallest.compared.departures)
    scheduled = _scheduled(smallest, engine, suspects, answers.failed)
    if graph.same and all(one.graph.same for one in answers.failed):
        # Equal leaves that were made from two arrays are told apart: it is the array that is taken for the value.
        scheduled = [name for name in scheduled if name != "equal-values"]
    return blame_graph(graph, scheduled, suspects, value=value)


def _scheduled(smallest: Smallest, engine: Engine, suspects: Sequence[str], failed: Sequence[Failed]) -> Sequence[str]:
    """Wrong ways that predict the engine's numbers on the smallest graph; of several the one that explains the most of the others too."""
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
    operations = [name for name in graph.operations if name not in HELPING]
    names = [name for name, predicted in simulate(graph, operations) if _predicts(predicted, claimed[0], smallest.reference.passes[0])]
    if len(names) < 2 and OF_ALL not in names:
        return names
    shares = _shares(failed, operations)
    names = [name for name in names if name != OF_ALL or shares.get(name) == 1.0]
    return sorted(dict.fromkeys(names), key=lambda name: (-shares.get(name, 0.0), name.partition(":")[0] not in suspects))


def _shares(failed: Sequence[Failed], operations: Sequence[str]) -> Mapping[str, float]:
    """The share of the failing graphs that a wrong way explains; of one operation's, of those that have it."""
    votes: dict[str, int] = {}
    asked: dict[str, int] = {}
    short = [one for one in failed if len(one.graph.passes) == 1 and len(one.graph.nodes) <= LARGEST and one.reply.gradients]
    for one in short[:VOTING]:
        reference = refer_graph(one.graph, epsilon=float(np.finfo(np.float32).eps)).passes[0]
        found: dict[str, bool] = {}
        own = [name for name in operations if name in one.graph.operations]
        for name, predicted in simulate(one.graph, own):
            found[name] = found.get(name, False) or _predicts(predicted, one.reply.gradients[0], reference)
        for name, explains in found.items():
            asked[name] = asked.get(name, 0) + 1
            votes[name] = votes.get(name, 0) + explains
    return {name: votes[name] / count for name, count in asked.items()}


def _over_calls(smallest: Smallest, engine: Engine) -> Sequence[str]:
    graph = smallest.graph
    epsilon = float(np.finfo(np.float32).eps)
    other = refer_graph(graph, epsilon=epsilon, accumulates=not engine.accumulates)
    last = len(smallest.reply.gradients) - 1
    claimed, right = smallest.reply.gradients[last], smallest.reference.passes[last]
    if _predicts({name: other.passes[last][name].right for name in graph.leaves}, claimed, right):
        if any(one.clear for one in graph.passes):
            return ["not-cleared"]
        return ["not-accumulated-over-calls" if engine.accumulates else "accumulated-over-calls"]
    if last and any(_moved(smallest, name, last) for name in set(graph.leaves) - graph.reached(last)):
        return ["replayed" if _replayed(smallest, last) else "aliased"]
    if graph.passes[-1].clear:
        uncleared = replace(graph, passes=tuple(replace(one, clear=False) for one in graph.passes))
        kept = refer_graph(uncleared, epsilon=epsilon, accumulates=True)
        if _predicts({name: kept.passes[last][name].right for name in graph.leaves}, claimed, right):
            return ["not-cleared"]
    return ["kept" if last and _kept(smallest, claimed, last) else "stale"]


def _kept(smallest: Smallest, claimed: Mapping[str, Array | None], number: int) -> bool:
    """Whether every wrong gradient is the one that came back from the pass before."""
    right, before = smallest.reference.passes[number], smallest.reply.gradients[number - 1]
    wrong = [name for name in smallest.graph.leaves if not _same(claimed.get(name), right[name].right, right[name].tolerance)]
    return bool(wrong) and all(before.get(name) is not None and _same(claimed.get(name), before[name], 0.0) for name in wrong)


def _same(one: Array | None, other: Any, tolerance: Any) -> bool:
    return one is not None and np.shape(one) == np.shape(other) and bool(np.all(np.abs(np.subtract(one, other)) <= tolerance))


def _moved(smallest: Smallest, leaf: str, number: int) -> bool:
    """Whether a leaf's gradient changed in a backward pass that does not reach it."""
    before, after = (smallest.reply.gradients[one].get(leaf) for one in (number - 1, number))
    return before is not None and after is not None and not np.array_equal(before, after) and not smallest.graph.passes[number].clear


def _replayed(smallest: Smallest, number: int) -> bool:
    """Whether each leaf that the pass does not reach got once more what it had; what passes its cotangent on could share its buffer too."""
    if {node.operation for node in smallest.graph.nodes} <= PASSING_ON:
        return False
    before, after = smallest.reply.gradients[number - 1], smallest.reply.gradients[number]
    others = [name for name in smallest.graph.leaves if name not in smallest.graph.reached(number) and before.get(name) is not None]
    return bool(others) and all(_same(after.get(name), 2 * np.asarray(before[name]), 0.0) for name in others)


def _predicts(predicted: Gradients, gradients: Mapping[str, Array | None], reference: Mapping[str, Answered]) -> bool:
    """Whether these gradients are the engine's, within the tolerance of the right ones, and are not the right ones."""
    differs = False
    for name, array in predicted.items():
        found = gradients.get(name)
        claimed = np.zeros(array.shape) if found is None else np.asarray(found, dtype=np.float64)
        tolerance = np.maximum(reference[name].tolerance, 1e-6 * np.abs(array))
        if claimed.shape != array.shape or not np.all(np.abs(claimed - array) <= tolerance):
            return False
        differs = differs or bool(np.any(np.abs(array - reference[name].right) > tolerance))
    return differs
