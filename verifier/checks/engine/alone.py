"""Each operation alone: a table operation × question, right, wrong, refused or missing; graphs are drawn only over what is right here."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from verifier.checks.engine.asking import Asking, Reply
from verifier.checks.engine.comparing import Compared, Departure, compare_with_truth, narrower
from verifier.contracts.engine.alone import Case, cases_of
from verifier.contracts.engine.endings import Ending, ended, ending_for, shape_of
from verifier.contracts.engine.graph import VARIANT, Graph, Pass
from verifier.contracts.engine.operations.variants import VARIANTS

FIRST = ("sum", "mul")  # what the others end with
MEASURED = ("plain", "axis")  # questions whose scatter says what a run resolves
HOLOMORPHIC = frozenset(
    ("add", "sub", "mul", "div", "neg", "exp", "log", "sin", "cos", "tanh", "sinh", "cosh", "square", "reciprocal", "pow")
).union(("matmul", "outer", "sum", "mean", "transpose", "reshape", "getitem", "cat", "stack", "cumsum"))
SECOND = 3  # ways in which an operation is differentiated twice


@dataclass(frozen=True)
class Asked:
    """One question and what came of it.

    Attributes:
        status: `right`, `value` or `gradient` (which is wrong; a second derivative is a gradient), `refuses` (forward), `late` (backward
            raised), `convention`.
        graph: as it was asked, with its ending.
        words: the engine's own, where it refused; what it does at a kink.
    """

    case: Case
    graph: Graph
    status: str
    compared: Compared = field(default_factory=Compared)
    words: str = ""
    reply: Reply = field(default_factory=Reply)

    @property
    def reshaped(self) -> bool:
        """Whether its value came back with other axes of size 1: right, but what reads it further on is another graph than ours."""
        return self.graph.nodes[0].output in self.compared.reshaped

    @property
    def rank(self) -> int:
        """The most dimensions of a leaf."""
        return max((self.case.graph.arrays[leaf].ndim for leaf in self.case.graph.leaves), default=0)

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
    stale: bool = False
    """Whether a wrong question is answered rightly by a worker that was asked nothing before."""

    @property
    def epsilon(self) -> float:
        """The distance from 1 to the next number of the type that the engine computes in."""
        return float(np.finfo(self.computes_in).eps)

    def features(self, ranks: Collection[int]) -> dict[str, frozenset[str]]:
        """By operation, the questions that were answered rightly every time, over leaves of these numbers of dimensions."""
        found = {}
        for name, questions in self.asked.items():
            asked = [one for one in questions if one.rank in ranks]
            wrong = {one.case.feature for one in asked if one.status not in ("right", "convention") or one.reshaped}
            found[name] = frozenset(one.case.feature for one in asked if one.status == "right") - wrong
        return {name: features for name, features in found.items() if features & {"plain", "axis", "zero-dim", "number", "slice"}}

    def ranks(self, known: Collection[int]) -> frozenset[int]:
        """Those numbers of dimensions over which some question was answered rightly, or none was asked."""
        asked = [one for questions in self.asked.values() for one in questions if one.case.column == "plain"]
        right = {one.rank for one in asked if one.status == "right" and not one.reshaped}
        return frozenset(known) - ({one.rank for one in asked} - right)

    def wrong(self) -> list[Asked]:
        """The questions whose value or gradient was wrong."""
        return [one for questions in self.asked.values() for one in questions if one.status in ("value", "gradient")]


def ask_alone(asking: Asking, *, seed: int, tell: Callable[[str, int, int], None]) -> Alone:
    """Ask about every operation of the engine's table, first those that the others end with."""
    find_shapes(asking)
    engine = asking.engine
    alone = Alone(dtype=engine.dtypes[0], computes_in=engine.dtypes[0])
    order = [name for name in FIRST if name in engine.entries] + [name for name in engine.entries if name not in FIRST]
    alone.ending = ending_for(engine, ())
    for number, name in enumerate(order):
        tell(name, number, len(order))
        cases = cases_of(engine.entries[name], engine, seed)
        alone.asked[name] = by_its_definition(name, ask_cases(asking, cases, alone, seed), asking, alone, seed)
        if name in FIRST:
            alone.ending = ending_for(engine, [known for known in FIRST if right_enough(alone.asked.get(known, ()))])
    asking.engine = replace(asking.engine, ranks=alone.ranks(asking.engine.ranks))
    ask_second(asking, alone, seed)
    ask_complex(asking, alone, seed)
    wrong = alone.wrong()
    if wrong:
        asking.restart()
        again = judged(wrong[0].case, wrong[0].graph, asking.one(wrong[0].graph, dtype=alone.dtype, show=("y",)), asking, alone)
        alone.stale = again.status == "right"
    return alone


def ask_second(asking: Asking, alone: Alone, seed: int) -> None:
    """Where the engine offers gradients of gradients: each operation's, over operands of which its gradient is right, along a direction."""
    ending = ending_for(replace(asking.engine, takes_cotangent=False), [one for one in FIRST if right_enough(alone.asked.get(one, ()))])
    if not asking.engine.has_second or ending != "weighted":
        return
    for name, questions in alone.asked.items():
        first = {one.case.feature: one for one in questions if one.status == "right" and one.case.column in ("plain", "number")}
        cases, graphs = [], []
        for number, one in enumerate(list(first.values())[:SECOND]):
            generator = np.random.default_rng([seed, number, 19, *name.encode()])
            case = replace(one.case, feature="second order", column="second")
            graph = replace(one.case.graph, nodes=one.graph.nodes[:1])
            graph = ended(graph, ending, generator, shape_of(graph, graph.passes[-1].output))
            along = {f"direction{leaf}": np.round(generator.uniform(0.5, 1.5, graph.arrays[leaf].shape) * 64) / 64 for leaf in graph.leaves}
            cases.append(case)
            graphs.append(replace(graph, arrays={**graph.arrays, **along}, directions={leaf: f"direction{leaf}" for leaf in graph.leaves}))
        replies = asking.ask(graphs, dtype=alone.dtype, show=("y",))
        answered = zip(cases, graphs, replies, strict=True)
        alone.asked[name] += [judged(case, graph, reply, asking, alone) for case, graph, reply in answered]


def ask_complex(asking: Asking, alone: Alone, seed: int) -> None:
    """Where the engine differentiates complex numbers: each operation that is holomorphic, by the convention that explains more answers."""
    if not asking.engine.has_complex:
        return
    asked: list[tuple[Case, Graph, Reply]] = []
    for name, questions in alone.asked.items():
        right = [
            one for one in questions if name in HOLOMORPHIC and one.status == "right" and one.case.feature in ("plain", "number right")
        ]
        kinds = {one.case.feature: one for one in right}
        for number, one in enumerate(kinds.values()):
            graph = _complex(one.case.graph, np.random.default_rng([seed, number, 23, *name.encode()]))
            asked.append((replace(one.case, feature="complex", column="complex"), graph, asking.one(graph, dtype=alone.dtype, show=("y",))))
    found = [[judged(case, graph, reply, asking, alone, conjugate=one) for case, graph, reply in asked] for one in (False, True)]
    chosen = min(found, key=lambda answers: sum(one.status == "gradient" for one in answers))
    if chosen is found[1]:
        alone.notes["Complex gradients are meant without conjugation (JAX's convention): they are judged as such."] = None
    for one in chosen:
        alone.asked[one.case.operation].append(one)


def _complex(graph: Graph, generator: np.random.Generator) -> Graph:
    """The graph of one operation over complex leaves, none near 0, with a complex cotangent."""
    shapes = {name: graph.arrays[name].shape for name in graph.leaves}
    shapes["cotangent"] = shape_of(graph, graph.passes[0].output)
    drawn = {name: generator.choice([-1, 1], (*shape, 2)) * generator.uniform(0.3, 1.5, (*shape, 2)) for name, shape in shapes.items()}
    one = replace(graph.passes[0], cotangent="cotangent")
    return replace(graph, arrays={**graph.arrays, **drawn}, passes=(one,), complex=tuple(drawn))


def by_its_definition(name: str, asked: list[Asked], asking: Asking, alone: Alone, seed: int) -> list[Asked]:
    """The questions judged by the definition that explains most of the operation's values, where the first one explains less than half."""
    wrong, noted = _wrong_values(asked), alone.notes
    if not wrong or name not in VARIANTS:
        return asked

    others: dict[str, tuple[list[Asked], dict[str, None]]] = {}
    for variant in VARIANTS[name]:
        alone.notes = dict.fromkeys(note for note in noted if not note.startswith(f"{name}: "))
        others[variant] = (_asked_as(variant, asked, asking, alone, seed), alone.notes)
    variant, (again, noted_again) = min(others.items(), key=lambda one: _wrong_values(one[1][0]))
    alone.notes = noted
    if 2 * _wrong_values(again) >= wrong:
        return asked
    asking.engine = replace(asking.engine, variants={**asking.engine.variants, name: variant})
    alone.notes = {**noted_again, f"{name} is judged by the definition that its values follow: {variant}.": None}
    return again


def _asked_as(variant: str, asked: Sequence[Asked], asking: Asking, alone: Alone, seed: int) -> list[Asked]:
    """The questions judged by another definition of the operation; asked again where its values, and so the weights, have another shape."""
    cases = [replace(one.case, graph=_with_variant(variant, one.case.graph)) for one in asked]
    if any(_shape_or_none(one.graph) != _shape_or_none(case.graph) for one, case in zip((one.case for one in asked), cases, strict=True)):
        return ask_cases(asking, [case for case in cases if _shape_or_none(case.graph) is not None], alone, seed)
    return [_judged_as(variant, one, asking, alone) for one in asked]


def _shape_or_none(graph: Graph) -> tuple[int, ...] | None:
    try:
        return shape_of(graph, graph.passes[-1].output)
    except (ValueError, IndexError):  # an axis that this array does not have
        return None


def _ends_wrongly(asked: Asked) -> bool:
    """Whether the operation itself answered, and what follows raised: its value has another shape than the weights for it."""
    stopped = asked.reply.stopped
    return (
        asked.status == "refuses"
        and stopped is not None
        and stopped.place == "forward"
        and stopped.node not in ("", "y", *asked.graph.arrays)
    )


def _wrong_values(asked: Sequence[Asked]) -> int:
    """How many values are another definition's, if only by their shape."""
    return sum(one.status == "value" or one.reshaped or _ends_wrongly(one) for one in asked)


def _with_variant(variant: str, graph: Graph) -> Graph:
    first = graph.nodes[0]
    return replace(graph, nodes=(replace(first, options={**first.options, VARIANT: variant}), *graph.nodes[1:]))


def _judged_as(variant: str, asked: Asked, asking: Asking, alone: Alone) -> Asked:
    if asked.status == "refuses" or asked.graph.nodes[0].options.keys() & {"correction", "axes", "negative_slope", "eps"}:
        return asked
    graph = _with_variant(variant, asked.graph)
    try:
        return judged(asked.case, graph, asked.reply, asking, alone)
    except (ValueError, IndexError, RuntimeError):  # of another shape than the weights or the cotangent that were drawn
        return replace(asked, status="convention", compared=Compared(), words=variant, graph=graph)


def right_enough(asked: Sequence[Asked]) -> bool:
    """Whether plain questions were answered rightly, as far as they were answered: others may end with it."""
    plain = [one for one in asked if one.case.feature in ("plain", "zero-dim") and one.status not in ("refuses", "late")]
    return bool(plain) and all(one.status == "right" for one in plain)


def find_shapes(asking: Asking) -> None:
    """Leave out the numbers of dimensions that a leaf does not keep: an engine of matrices makes (1, 3) of (3,), and means it."""
    if asking.engine.scalar or asking.engine.mode != "backward":
        return
    shapes = ((), (3,), (2, 3), (2, 3, 2), (2, 1, 3, 2))
    leaves = [Graph({"a": np.arange(1.0, 1.0 + math.prod(shape)).reshape(shape)}, ("a",), (), (Pass("a", 0),)) for shape in shapes]
    replies = asking.ask(leaves, dtype=asking.engine.dtypes[0])
    read = {len(shape): reply.values["a"].shape == shape for shape, reply in zip(shapes, replies, strict=True) if "a" in reply.values}
    kept = frozenset(rank for rank, same in read.items() if same)
    if kept and len(kept) < len(shapes):
        asking.engine = replace(asking.engine, ranks=kept)


def ask_cases(asking: Asking, cases: Iterable[Case], alone: Alone, seed: int) -> list[Asked]:
    """The cases with their ending, asked and compared; where the engine computes in a narrower type than it was given, by that type."""
    graphs = [(case, _ended(case, alone.ending, seed, number, asking.engine.ranks)) for number, case in enumerate(cases)]
    replies = asking.ask([graph for _, graph in graphs], dtype=alone.dtype, show=("y",))
    for reply in replies:
        narrow = narrower(reply, alone.computes_in)
        if narrow is not None:
            alone.notes[f"It computes in {narrow}, although it is given {alone.dtype}: it is judged as what it is."] = None
            alone.computes_in = narrow
    return [judged(case, graph, reply, asking, alone) for (case, graph), reply in zip(graphs, replies, strict=True)]


def judged(case: Case, graph: Graph, reply: Reply, asking: Asking, alone: Alone, *, conjugate: bool = False) -> Asked:
    """What a reply to a case is worth."""
    stopped = reply.stopped
    if stopped is not None and stopped.place in ("forward", "died"):
        return Asked(case, graph, "refuses", words=stopped.words, reply=reply)
    measured = case.feature in MEASURED
    compared = compare_with_truth(graph, reply, asking.engine, alone.epsilon, measured=measured, conjugate=conjugate)
    alone.notes |= dict.fromkeys(f"{case.operation}: {note}." for note in compared.notes)
    for name in reply.changed:
        alone.notes[f"{case.operation}: the backward pass changes the array that {name} was made from."] = None
    if case.column == "empty" and compared.departures and all(one.comparison is None for one in compared.departures):
        return Asked(case, graph, "convention", words="another shape, without elements", reply=reply)  # no number is wrong
    if any(one.what == "value" for one in compared.departures):
        return Asked(case, graph, "value", compared, reply=reply)
    if stopped is not None:
        return Asked(case, graph, "late", compared, stopped.words, reply)
    if case.slopes is not None and not _beyond(case, compared):
        return Asked(case, graph, "convention", words=_at_the_kink(case, reply), reply=reply)
    return Asked(case, graph, "gradient" if compared.departures else "right", compared, reply=reply)


def _ended(case: Case, ending: Ending, seed: int, number: int, ranks: Collection[int]) -> Graph:
    generator = np.random.default_rng([seed, number, 11])
    shape = shape_of(case.graph, case.graph.passes[-1].output)
    if ending == "weighted" and len(shape) not in ranks:
        ending = "sum"  # weights of this shape cannot be made
    return ended(case.graph, ending, generator, shape)


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
