"""Each operation alone: a table operation × question, right, wrong, refused or missing; graphs are drawn only over what is right here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from verifier.checks.engine.asking import Asking, Reply
from verifier.checks.engine.comparing import Compared, Departure, compare_reply, narrower
from verifier.contracts.engine.alone import Case, cases_of
from verifier.contracts.engine.endings import Ending, ended, ending_for, shape_of
from verifier.contracts.engine.graph import Graph
from verifier.oracles.graphs import GraphReference, refer_graph

FIRST = ("sum", "mul")  # what the others end with
Refer = Callable[[Graph], GraphReference]


@dataclass(frozen=True)
class Asked:
    """One question and what came of it.

    Attributes:
        status: `right`, `value` or `gradient` (which of them is wrong), `refuses` (forward), `late` (backward raised), `convention`.
        graph: as it was asked, with its ending.
        words: the engine's own, where it refused; what it does at a kink.
    """

    case: Case
    graph: Graph
    status: str
    compared: Compared = field(default_factory=Compared)
    words: str = ""

    @property
    def departure(self) -> Departure | None:
        """The first that is wrong; a weight's gradient is only looked at last."""
        ordered = sorted(self.compared.departures, key=lambda one: (one.what != "value", one.tensor.startswith("weights")))
        return ordered[0] if ordered else None


@dataclass
class Alone:
    """Everything that was asked about single operations."""

    asked: dict[str, list[Asked]] = field(default_factory=dict)
    ending: Ending = "none"
    dtype: str = "float64"
    computes_in: str = "float64"
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def epsilon(self) -> float:
        return float(np.finfo(self.computes_in).eps)

    def features(self) -> dict[str, frozenset[str]]:
        """By operation, the questions that were answered rightly every time."""
        found = {}
        for name, questions in self.asked.items():
            wrong = {one.case.feature for one in questions if one.status not in ("right", "convention")}
            found[name] = frozenset(one.case.feature for one in questions if one.status == "right") - wrong
        return {name: features for name, features in found.items() if features & {"plain", "axis", "zero-dim", "number", "slice"}}

    def wrong(self) -> list[Asked]:
        return [one for questions in self.asked.values() for one in questions if one.status in ("value", "gradient")]


def ask_alone(asking: Asking, *, seed: int, tell: Callable[[str, int, int], None]) -> Alone:
    """Ask about every operation of the engine's table, first those that the others end with."""
    engine = asking.engine
    alone = Alone(dtype=engine.dtypes[0], computes_in=engine.dtypes[0])
    order = [name for name in FIRST if name in engine.entries] + [name for name in engine.entries if name not in FIRST]
    alone.ending = ending_for(engine, ())
    for number, name in enumerate(order):
        tell(name, number, len(order))
        cases = cases_of(engine.entries[name], engine, seed)
        alone.asked[name] = ask_cases(asking, cases, alone, seed)
        if name in FIRST:
            alone.ending = ending_for(engine, [known for known in FIRST if right_enough(alone.asked.get(known, ()))])
    return alone


def right_enough(asked: Sequence[Asked]) -> bool:
    """Whether plain questions were all answered rightly: others may end with it."""
    plain = [one for one in asked if one.case.feature in ("plain", "zero-dim") and one.status != "refuses"]
    return bool(plain) and all(one.status == "right" for one in plain)


def ask_cases(asking: Asking, cases: Iterable[Case], alone: Alone, seed: int) -> list[Asked]:
    """The cases with their ending, asked and compared; where the engine computes in a narrower type than it was given, by that type."""
    graphs = [(case, _ended(case, alone.ending, seed, number)) for number, case in enumerate(cases)]
    replies = asking.ask([graph for _, graph in graphs], dtype=alone.dtype)
    for reply in replies:
        narrow = narrower(reply, alone.computes_in)
        if narrow is not None:
            alone.notes[f"It computes in {narrow}, although it is given {alone.dtype}: it is judged as what it is."] = None
            alone.computes_in = narrow
    return [judged(case, graph, reply, asking, alone) for (case, graph), reply in zip(graphs, replies, strict=True)]


def judged(case: Case, graph: Graph, reply: Reply, asking: Asking, alone: Alone) -> Asked:
    """What a reply to a case is worth."""
    stopped = reply.stopped
    if stopped is not None and stopped.place in ("forward", "died"):
        return Asked(case, graph, "refuses", words=stopped.words)
    reference = refer_graph(graph, epsilon=alone.epsilon, accumulates=asking.engine.accumulates)
    compared = compare_reply(graph, reply, reference, asking.engine)
    alone.notes |= dict.fromkeys(f"{case.operation}: {note}." for note in compared.notes)
    for name in reply.changed:
        alone.notes[f"{case.operation}: the backward pass changes the array that {name} was made from."] = None
    if any(one.what == "value" for one in compared.departures):
        return Asked(case, graph, "value", compared)
    if stopped is not None:
        return Asked(case, graph, "late", words=stopped.words)
    if case.slopes is not None and not _beyond(case, compared):
        return Asked(case, graph, "convention", words=_at_the_kink(case, reply))
    return Asked(case, graph, "gradient" if compared.departures else "right", compared)


def _ended(case: Case, ending: Ending, seed: int, number: int) -> Graph:
    generator = np.random.default_rng([seed, number, 11])
    return ended(case.graph, ending, generator, shape_of(case.graph, case.graph.passes[-1].output))


def _beyond(case: Case, compared: Compared) -> bool:
    """Whether equal operands together get more than the whole cotangent, or the other sign: no choice of a slope explains that."""
    if case.feature != "self":
        return False
    wrong = [one for one in compared.departures if one.tensor == "a" and one.claimed.shape == one.right.shape]
    return any(bool(np.any(one.claimed * one.right < 0) or np.any(np.abs(one.claimed) > np.abs(one.right))) for one in wrong)


def _at_the_kink(case: Case, reply: Reply) -> str:
    """Which slope the engine takes where there is none: a convention."""
    found = reply.gradients[0].get("a") if reply.gradients else None
    if found is None:
        return "0"
    return "not finite" if not np.all(np.isfinite(found)) else "0" if not np.any(found) else "not 0"


def statuses(asked: Sequence[Asked], column: str) -> Mapping[str, int]:
    """How many questions of a column of the table had which status."""
    counted: dict[str, int] = {}
    for one in asked:
        if one.case.column == column:
            counted[one.status] = counted.get(one.status, 0) + 1
    return counted
