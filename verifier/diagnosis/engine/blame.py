"""Whose fault it is: an operation's (which operand, which relation) or the engine's (accumulation, order, aliasing, broadcasting)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from verifier.arrays import FloatArray
from verifier.contracts.engine.graph import Graph
from verifier.diagnosis.engine.relations import Observation, averaged, near, relation_of, value_relation_of
from verifier.results.report import Diagnosis

FIRST_TWICE = (
    "when a value is both operands of an operation, what it gets as the first operand is added twice: operands are told apart by identity"
)
AVERAGED = "the gradient of an operand that was broadcast is averaged over the axes along which it was stretched, not summed"
SHARED = {
    "self": (
        "not-accumulated",
        "when a value is both operands of an operation, the two contributions to its gradient are not added",
    ),
    "broadcast": (
        "broadcasting",
        "the gradient of an operand that was broadcast is not summed over the axes along which it was stretched",
    ),
    "broadcast zero-dim": ("broadcasting", "the gradient of a number that was broadcast against an array is not summed"),
    "empty": ("empty", "arrays without elements are differentiated wrongly"),
    "zero-dim": ("zero-dimensional", "arrays without dimensions are differentiated wrongly"),
    "number right": ("numbers", "a Python number on the right is differentiated wrongly"),
    "number left": ("numbers", "a Python number on the left is differentiated wrongly"),
}


@dataclass(frozen=True)
class Tested:
    """One feature of one operation alone: whether all its questions were right."""

    operation: str
    feature: str
    right: bool


def blame_alone(tested: Sequence[Tested], observations: Sequence[Observation]) -> list[Diagnosis]:
    """The engine's faults that show in several operations alike, then each operation's own."""
    apart = _explained([one for one in observations if one.feature == "self"], lambda seen: seen.first_twice)
    if len(apart) < 2:
        apart = []
    tested = [one for one in tested if one.feature != "self" or one.operation not in apart]
    observations = [one for one in observations if one.feature != "self" or one.operation not in apart]
    shared = _shared_features(tested)
    by_fault: dict[str, Diagnosis] = {}
    for feature, names in shared.items():
        fault, words = SHARED[feature]
        shown = [one for one in observations if one.feature == feature and one.operation in names]
        words, names = _more_exactly(feature, shown, names) or (words, names)
        sentence = f"The engine, not one operation: {words} ({', '.join(names[:6])})."
        evidence = f"{feature}: wrong in {len(names)} operations that are right otherwise"
        by_fault.setdefault(fault, Diagnosis(f"engine:{fault}", "", sentence, evidence))
    found = list(by_fault.values())
    if apart:
        evidence = f"self: predicts the gradients of {len(apart)} operations"
        found.append(
            Diagnosis("engine:first-twice", "", f"The engine, not one operation: {FIRST_TWICE} ({', '.join(apart[:6])}).", evidence)
        )
    rest = [one for one in observations if one.feature not in shared or one.operation not in shared[one.feature]]
    for operation in dict.fromkeys(one.operation for one in rest):
        # "Only" is said where something else was asked of the operation and came back right.
        elsewhere = any(one.right for one in tested if one.operation == operation)
        found += _of_operation(operation, [one for one in rest if one.operation == operation], elsewhere=elsewhere)
    return found


def _shared_features(tested: Sequence[Tested]) -> dict[str, list[str]]:
    """Features that are wrong in at least two operations, and in most that were asked, though these are right where plain."""
    plain = {one.operation for one in tested if one.feature in ("plain", "zero-dim") and one.right}
    shared = {}
    for feature in SHARED:
        asked = [one for one in tested if one.feature == feature and one.operation in plain]
        wrong = [one.operation for one in asked if not one.right]
        if len(wrong) >= 2 and 2 * len(wrong) > len(asked):
            shared[feature] = wrong
    return shared


def _more_exactly(feature: str, observations: Sequence[Observation], names: Sequence[str]) -> tuple[str, list[str]] | None:
    """What a shared feature comes to, and in which operations, where one relation explains the wrong gradients of most of them."""
    if feature != "broadcast":
        return None
    explained = _explained(observations, averaged)
    return (AVERAGED, explained) if 2 * len(explained) > len(names) else None


def _explained(observations: Sequence[Observation], predict: Callable[[Observation], FloatArray | None]) -> list[str]:
    """The operations whose wrong gradients are all as predicted."""
    unlike = {one.operation for one in observations if one.claimed.shape != one.right.shape or not near(predict(one), one.claimed)}
    return list(dict.fromkeys(one.operation for one in observations if one.operation not in unlike))


def _of_operation(operation: str, observations: Sequence[Observation], *, elsewhere: bool) -> list[Diagnosis]:
    by_operand: dict[str, list[Observation]] = {}
    for one in observations:
        by_operand.setdefault(one.operand, []).append(one)
    found = []
    for operand, own in by_operand.items():
        if operand.startswith("weights") and len(by_operand) > 1:
            continue
        if operand == "":
            words = f"The value of {operation} {value_relation_of(own)}{_only(own) if elsewhere else ''}."
            found.append(Diagnosis(f"operation:{operation}:value", "", words, _evidence(own)))
            continue
        name, words = relation_of(own)
        where = _only(own) if elsewhere and name != "other" else ""
        sentence = f"The gradient of {operation} with respect to {operand} {words}{where}."
        found.append(Diagnosis(f"operation:{operation}:{operand}:{name}", "", sentence, _evidence(own)))
    return found


def _evidence(observations: Sequence[Observation]) -> str:
    count = len(observations)
    return f"in {count} graph{'' if count == 1 else 's'} of {observations[0].operation} alone"


def _only(observations: Sequence[Observation]) -> str:
    features = list(dict.fromkeys(one.feature for one in observations))
    return "" if "plain" in features else f" (only: {', '.join(features)})"


SCHEDULES: Mapping[str, str] = {
    "one-contribution": "of a value with several users, one contribution to its gradient is kept: the others are overwritten, not added",
    "one-operand": "a value that is both operands of one operation is counted once instead of twice",
    "first-twice": FIRST_TWICE,
    "twice": "a value with several users is propagated once for each, each time with all it has gathered so far: paths are counted twice",
    "early": "a value is propagated before all of its users have contributed: nodes are not visited in topological order",
    "aliased": "two gradients share one buffer, and adding to one in place changes the other",
    "stale": "what an earlier backward call left in nodes or leaves is added again",
    "replayed": "a later backward call runs through the earlier graph once more: go back only from the output, or clear what is recorded "
    "(a function `fresh` is called before each graph)",
    "kept": "a leaf that an earlier backward call gave a gradient keeps it: the later call does not compute another one",
    "outermost": "only the operands of the output get a gradient: nodes are visited from the leaves on, or the pass stops after the first; "
    "go from the output back, each node after all of its users",
    "not-accumulated-over-calls": "a second graph's gradient replaces the first one's, although `accumulates` is declared",
    "accumulated-over-calls": "a second graph's gradient is added to the first one's, although `accumulates = False` is declared",
    "not-cleared": "`zero_grad` leaves the earlier gradient in place",
    "equal-values": "two values that are equal are treated as one and the same",
    "waiting": "a value is never propagated if one of its users does not lead to the output",
}
OF_ONE: Mapping[str, str] = {
    "overwrites": "{} overwrites the gradient of its operand instead of adding to it: what other users of the operand contribute is lost",
    "second-lost": "{} passes no gradient to its second operand if that is a computed value; to a leaf it does",
    "first-lost": "{} passes no gradient to its first operand if that is a computed value; to a leaf it does",
}
LONG = 30  # nodes of a graph that could not be made smaller


def blame_graph(graph: Graph, scheduled: Sequence[str], suspects: Sequence[str], *, value: bool) -> Diagnosis:
    """The engine's fault that the smallest failing graph shows.

    Args:
        scheduled: names of the wrong ways through the graph that predict the engine's numbers (`schedules`).
        suspects: operations that every failing graph has, and that no graph is built with anyway.
        value: whether a value is wrong, not a gradient alone.
    """
    before_the_end = [node.operation for node in graph.nodes if not node.output.startswith(("weighted", "total"))]
    operations = list(dict.fromkeys(before_the_end or graph.operations))
    own = ", ".join(operations)
    if graph.untracked:
        words = "what is computed under `no_grad` is still differentiated, or what follows it is no longer differentiated"
        return Diagnosis("engine:no-grad", "", f"The engine, not one operation: {words} ({own}).")
    if graph.written:
        words = "An operation in place is differentiated wrongly, or what used its operand before is differentiated at the new value"
        return Diagnosis("engine:written", "", f"{words} ({own}).")
    for name in scheduled:
        operation, _, way = name.partition(":")
        if way:
            words = f"{OF_ONE[way].format(operation)}."
            return Diagnosis(f"operation:{name}", "", f"{words[0].upper()}{words[1:]}", "predicts its numbers on the smallest graph")
        words = f"The engine, not one operation: {SCHEDULES[name]}."
        return Diagnosis(f"engine:{name}", "", words, "predicts the engine's numbers on the smallest graph")
    if value:
        words = "A value changes after it was computed: something writes into the array of its operand"
        return Diagnosis("engine:in-place", "", f"{words} ({', '.join(suspects or operations)}).")
    if len(graph.nodes) > LONG:
        words = f"Only long graphs are wrong (the smallest has {len(graph.nodes)} operations): the sweep does not reach their beginning."
        return Diagnosis("engine:long", "", words)
    if len(graph.passes) > 1:
        return Diagnosis("engine:second-call", "", f"A second backward call over the same leaves gives a wrong gradient ({own}).")
    if graph.same:
        return Diagnosis("engine:shared-array", "", f"Two leaves made from one array disturb each other ({own}).")
    readers = Counter(name for node in graph.nodes for name in node.names)
    if any(count > 1 for count in readers.values()):
        return Diagnosis("engine:accumulation", "", f"A value that is used more than once gets a wrong gradient ({own}).")
    if len(operations) == 1:
        words = f"The gradient of {own} is right when it is asked alone, and wrong on the operands of this graph."
        return Diagnosis(f"operation:{own}", "", words)
    return Diagnosis("engine:composition", "", f"Operations that are right alone are wrong together: {own}.")
