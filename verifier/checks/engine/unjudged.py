"""What an engine was asked and never answered, in words for its verdict: a pass says nothing of it."""

from collections import Counter
from collections.abc import Mapping

from verifier.checks.engine.alone import Alone
from verifier.contracts.engine.graph import Graph
from verifier.counting import counted

UNANSWERED = ("refuses", "late")
LIMITS = ("edge", "empty")  # columns of questions that an engine may well refuse: points where no slope is, arrays without elements
ORDINARY = ("plain", "one shape", "composed")  # what the other sentences are about
QUESTIONS: Mapping[str, str] = {
    "self": "one value as both operands",
    "broadcast": "operands of unequal shapes",
    "broadcast zero-dim": "an array and a single number of the engine's",
    "batch broadcast": "a stack of matrices and one matrix",
    "zero-dim": "single numbers",
    "number left": "a plain number as the left operand",
    "number right": "a plain number as the right operand",
    "second order": "gradients of gradients",
    "complex": "complex numbers",
}
GRAPHS: Mapping[str, str] = {
    "mixed": "leaves of unequal shapes",
    "leaf": "a leaf that is read several times",
    "value": "a computed value that is read several times",
    "after an old one": "a graph over leaves of an earlier one",
    "unused": "a leaf or branch that the output does not need",
    "equal leaves": "two leaves of equal numbers",
    "zero-dim": "single numbers",
    "chain": "long chains",
    "wide": "sums of many terms",
    "second call": "a second backward call",
    "two losses": "two outputs of one graph",
    "read again": "a value that is read again after a backward call",
    "in place": "operations in place",
    "no_grad": "parts without gradients",
}


def kinds_of(graph: Graph) -> set[str]:
    """What kinds of graph it is one of: what it was drawn as, and which of its values have several readers on the way to an output."""
    found, computed = set(graph.features), {node.output for node in graph.nodes}
    for number in range(0 if graph.untracked else len(graph.passes)):
        reached = graph.reached(number)
        reads = Counter(operand for node in graph.nodes if node.output in reached for operand in node.operands)
        several = {name for name, readers in reads.items() if readers > 1}
        found |= {"leaf"} if several & {*graph.leaves} else set()
        found |= {"value"} if several & computed else set()
    return found


def of_operations(alone: Alone) -> str:
    """Operations and kinds of questions of which none was answered, as a sentence with a space before it; "" where there is none."""
    refused = [name for name, asked in alone.asked.items() if all(one.status in UNANSWERED for one in asked)]
    answered: dict[str, bool] = {}
    for one in (one for asked in alone.asked.values() for one in asked if one.case.column not in (*LIMITS,)):
        answered[one.case.feature] = answered.get(one.case.feature, False) or one.status not in UNANSWERED
    kinds = [QUESTIONS.get(feature, f'"{feature}"') for feature, seen in answered.items() if not seen and feature not in ORDINARY]
    return f" Not judged, since refused: {'; '.join(filter(None, [', '.join(refused), *kinds]))}." if refused or kinds else ""


def of_graphs(kinds: Mapping[str, tuple[int, int]]) -> str:
    """Kinds of graphs of which none was right; `kinds` has how many of each were asked, and right."""
    unseen = [f"{GRAPHS[kind]} ({counted(asked, 'graph')})" for kind, (asked, right) in kinds.items() if not right and kind in GRAPHS]
    return f" Not judged, since every one was refused: {', '.join(unseen)}." if unseen else ""
