"""Asking an engine: graphs go in batches, each answer is checked for form before it is believed, and a worker is started again after a
backward pass that raised, since some engines are not the same after one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import Array
from verifier.checks.examination import Unanswered
from verifier.contracts.engine.alone import renamed
from verifier.contracts.engine.claims import Engine, engine_of
from verifier.contracts.engine.endings import signed
from verifier.contracts.engine.graph import Graph, to_message
from verifier.errors import AnswerError

BATCH = 20
LONG = 30  # a graph of more nodes goes alone: then it is known which one took too long
ORDINARY = ("plain", "axis", "axes", "options", "point", "kink", "slice", "")
SHORTER = 4  # where one took too long, those of a fourth of its nodes are still asked
LONGEST = 2000  # characters of a text that came back


class Exchange(Protocol):
    """One message and its answer, over whatever keeps the worker alive; raises Unanswered."""

    def exchange(self, message: Mapping[str, Any], arrays: Mapping[str, Array], where: str) -> tuple[Mapping[str, Any], Any]: ...

    def restart(self) -> None: ...


@dataclass(frozen=True)
class Raised:
    """What stopped a graph: where (`forward`, `backward`, `gradient`, or `died`), at which value, and the engine's own words."""

    place: str
    node: str
    words: str


@dataclass(frozen=True)
class Reply:
    """An engine's answer to a graph, as arrays that came back.

    Attributes:
        gradients: for each pass that was made, by leaf; None where the engine has none (zero is meant).
        changed: given arrays that were not the same after the backward pass.
        cotangents: of nodes, where the engine lets them be read.
    """

    values: Mapping[str, Array] = field(default_factory=dict)
    gradients: tuple[Mapping[str, Array | None], ...] = ()
    stopped: Raised | None = None
    changed: tuple[str, ...] = ()
    cotangents: Mapping[str, Array] = field(default_factory=dict)


class Asking:
    """One engine and how it is asked."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.asked = 0
        self.most_nodes: int | None = None
        """Graphs of more nodes are not asked any more, since one of them was not answered; None where all were."""
        self.deadly: set[str] = set()
        """What was special about questions at which a worker ended; they are not asked again."""
        message, _ = exchange.exchange({"graphs": []}, {}, "Asked for its variables")
        described = message.get("engine")
        try:
            self.engine: Engine = engine_of(described if isinstance(described, Mapping) else {})
        except AnswerError as error:
            raise Unanswered(str(error), fatal=True) from None

    def ask(self, graphs: Sequence[Graph], *, dtype: str = "float64", show: Sequence[str] = ()) -> list[Reply]:
        """A reply for each graph. Raises Unanswered where the worker ended too often."""
        replies: list[Reply] = []
        while len(replies) < len(graphs):
            rest = graphs[len(replies) :]
            if self._given_up(rest[0]):
                replies.append(Reply(stopped=Raised("died", "", "not asked, since the worker ended at one of the kind")))
            else:
                replies += self._ask_batch(self._together(rest), dtype, show)
        return replies

    def restart(self) -> None:
        """The next graph goes to a worker that has been asked nothing."""
        self._exchange.restart()

    def one(self, graph: Graph, *, dtype: str = "float64", show: Sequence[str] = ()) -> Reply:
        """The reply to one graph."""
        return self.ask([graph], dtype=dtype, show=show)[0]

    def _given_up(self, graph: Graph) -> bool:
        return _kind(graph) in self.deadly or (self.most_nodes is not None and len(graph.nodes) > self.most_nodes)

    def _together(self, graphs: Sequence[Graph]) -> Sequence[Graph]:
        """The first graphs, which are sent in one message: a long one goes alone, and none that was given up."""
        apart = (number for number, graph in enumerate(graphs[:BATCH]) if len(graph.nodes) > LONG or self._given_up(graph))
        return graphs[: max(1, next(apart, BATCH))]

    def _ask_batch(self, batch: Sequence[Graph], dtype: str, show: Sequence[str]) -> list[Reply]:
        """Replies to at least one graph of the batch, from its beginning on."""
        try:
            return self._sent(batch, dtype, show)
        except Unanswered as error:
            if error.fatal:
                raise
            if len(batch) > 1:
                return [reply for graph in batch for reply in self.ask([graph], dtype=dtype, show=show)]
            if len(batch[0].nodes) > LONG // 2:
                self.most_nodes = len(batch[0].nodes) // SHORTER
            else:
                self.deadly.add(_kind(batch[0]))
            return [Reply(stopped=Raised("died", "", str(error)))]

    def _sent(self, batch: Sequence[Graph], dtype: str, show: Sequence[str]) -> list[Reply]:
        arrays: dict[str, Array] = {}
        asked = []
        for number, graph in enumerate(batch):
            names = {}
            for name, array in self._arrays(graph, dtype).items():
                names[name] = f"{number}/{name}"
                arrays[names[name]] = array
            asked.append({"graph": to_message(renamed(graph, self.engine)), "arrays": names, "show": list(show)})
        self.asked += len(batch)
        message, answered = self._exchange.exchange({"graphs": asked}, arrays, "Asked for the gradients of a graph")
        said = message.get("graphs")
        if not isinstance(said, list) or len(said) != len(batch):
            return [Reply(stopped=Raised("died", "", "sent no answer for each graph")) for _ in batch]
        asked_for = [pair for pair in zip(said, batch, strict=True) if pair[0] != {"unasked": True}]
        replies = [_read(one, graph, answered, show) for one, graph in asked_for]
        if replies and replies[-1].stopped is not None and replies[-1].stopped.place == "backward":
            self._exchange.restart()
        return replies or [Reply(stopped=Raised("died", "", "sent no answer"))]

    def _arrays(self, graph: Graph, dtype: str) -> dict[str, Array]:
        arrays = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in graph.arrays.items()}
        if self.engine.mode == "directions":
            arrays |= {f"direction of {name}": direction(graph, name).astype(dtype) for name in graph.leaves}
        return arrays


def _kind(graph: Graph) -> str:
    """What is special about a graph, and its operation where nothing is: broadcasting hangs in every operation alike."""
    special = " ".join(graph.features)
    return f"{special} of {graph.operations[0]}" if special in ORDINARY and graph.operations else special


def direction(graph: Graph, leaf: str) -> NDArray[np.float64]:
    """The direction along which forward mode is asked for a leaf's slope: signed, no two entries alike."""
    shape = graph.arrays[leaf].shape
    return signed(np.random.default_rng([len(leaf), *leaf.encode(), *shape]), shape)


def _read(said: Any, graph: Graph, arrays: Mapping[str, Array], show: Sequence[str]) -> Reply:
    """A reply of the promised types, whatever was sent: gradients for every pass, unless it says what stopped the graph."""
    if not isinstance(said, Mapping):
        return Reply(stopped=Raised("died", "", "sent something else than an answer"))
    passes = said.get("gradients")
    gradients = [_gradients(one, graph, arrays) for one in passes] if isinstance(passes, list) else []
    changed, values, stopped = said.get("changed"), _named(said.get("values"), arrays), _stopped(said.get("stopped"))
    complete = len(gradients) == len(graph.passes) and None not in gradients and values.keys() >= _shown(graph, show)
    if stopped is None and not complete:
        stopped = Raised("died", "", "sent an answer in which something is missing")
    return Reply(
        values=values,
        gradients=tuple(one for one in gradients[: len(graph.passes)] if one is not None),
        stopped=stopped,
        changed=tuple(name for name in changed if name in graph.arrays) if isinstance(changed, list) else (),
        cotangents=_named(said.get("cotangents"), arrays),
    )


def _shown(graph: Graph, show: Sequence[str]) -> set[str]:
    """The nodes whose values every answer has: the first output, and of `show` what stands before it."""
    first = graph.passes[0]
    return {first.output} | {node.output for node in graph.nodes[: first.nodes] if node.output in show}


def _gradients(said: Any, graph: Graph, arrays: Mapping[str, Array]) -> Mapping[str, Array | None] | None:
    if not isinstance(said, Mapping) or any(name not in said for name in graph.leaves):
        return None
    return {name: arrays.get(said[name]) if isinstance(said[name], str) else None for name in graph.leaves}


def _named(said: Any, arrays: Mapping[str, Array]) -> dict[str, Array]:
    if not isinstance(said, Mapping):
        return {}
    return {str(name): arrays[key] for name, key in said.items() if isinstance(key, str) and key in arrays}


def _stopped(said: Any) -> Raised | None:
    if not isinstance(said, Mapping):
        return None
    raised = said.get("raised")
    kind, text = (str(raised.get(key, ""))[:LONGEST] for key in ("type", "text")) if isinstance(raised, Mapping) else ("", "")
    return Raised(str(said.get("place"))[:20], str(said.get("node"))[:100], f"{kind}: {text}" if kind and text else kind or text)
