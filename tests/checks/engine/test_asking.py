"""What an engine's worker does not survive is refused, and the rest is asked all the same."""

from itertools import pairwise

import numpy as np
import pytest

from verifier.checks.engine.asking import Asking
from verifier.checks.examination import Unanswered
from verifier.contracts.engine.graph import Graph, Node, Pass


class Mortal:
    """Ends at every graph that has the leaf "x", or more than 40 nodes."""

    def __init__(self):
        self.deaths = 0

    def exchange(self, message, arrays, where):
        if not message["graphs"]:
            flags = {"functions": {name: {"names": ["a"]} for name in ("leaf", "value", "backward", "gradient")}}
            return {"engine": {**flags, "flags": {}, "operations": {"neg": {"names": ["a"], "defaults": {}}}}}, {}
        graphs = [one["graph"] for one in message["graphs"]]
        if any("x" in graph["leaves"] or len(graph["nodes"]) > 40 for graph in graphs):
            self.deaths += 1
            raise Unanswered("did not answer within 10 s")
        return {"graphs": [self.reply(graph) for graph in graphs]}, {"y": np.zeros(())}

    def reply(self, graph):
        return {"values": {graph["passes"][0][0]: "y"}, "gradients": [dict.fromkeys(graph["leaves"])]}

    def restart(self):
        pass


def graph(leaf, nodes, feature):
    names = [leaf, *(f"v{number}" for number in range(nodes))]
    built = tuple(Node("neg", (before,), after) for before, after in pairwise(names))
    return Graph({leaf: np.ones(3)}, (leaf,), built, (Pass(names[-1], nodes),), features=(feature,))


def test_one_deadly_question_costs_no_other():
    mortal = Mortal()
    replies = Asking(mortal).ask([graph("a", 1, "plain"), graph("x", 1, "broadcast"), graph("a", 2, "plain"), graph("x", 1, "broadcast")])
    assert [reply.stopped is None for reply in replies] == [True, False, True, False]
    assert mortal.deaths == 2  # the message of four, and the question alone


def test_longer_graphs_are_not_asked_after_one_that_took_too_long():
    mortal = Mortal()
    asking = Asking(mortal)
    replies = asking.ask([graph("a", 200, "chain"), graph("a", 60, "chain"), graph("a", 40, "chain"), graph("a", 8, "free")])
    assert [reply.stopped is None for reply in replies] == [False, False, True, True]
    assert (asking.most_nodes, mortal.deaths) == (50, 1)


class Silent(Mortal):
    """Forges answers in which there is nothing to compare."""

    def __init__(self, missing, kind):
        super().__init__()
        self.missing, self.kind = missing, kind

    def reply(self, graph):
        return super().reply(graph) | {self.missing: self.kind()}


@pytest.mark.parametrize("kind", [dict, list, str, type(None)])
@pytest.mark.parametrize("missing", ["values", "gradients"])
def test_an_answer_in_which_something_is_missing_is_no_right_one(missing, kind):
    (whole,) = Asking(Mortal()).ask([graph("a", 1, "plain")])
    (reply,) = Asking(Silent(missing, kind)).ask([graph("a", 1, "plain")])
    assert whole.stopped is None
    assert reply.stopped is not None and "something is missing" in reply.stopped.words
