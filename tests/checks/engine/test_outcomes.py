"""The smallest failing graph, worked node by node: what the engine answered stands beside what is right, where it is a number."""

import numpy as np
import pytest

from verifier.checks.engine.asking import Reply
from verifier.checks.engine.comparing import Compared
from verifier.checks.engine.outcomes import counterexample_of
from verifier.checks.engine.shrinking import Smallest
from verifier.contracts.engine.graph import Graph, Node, Pass
from verifier.oracles.engine.graphs import refer_graph
from verifier.reports.walkthrough import lines_of
from verifier.results.report import Step


@pytest.mark.parametrize(
    ("values", "claimed"),
    [
        ({"y": np.array([1.0, 5.0]), "z": np.array(6.0)}, [5.0, 6.0]),  # at the element that is off by most
        ({"y": np.array([1.0, np.nan])}, [None, None]),
        ({"y": np.array([[1.0, 5.0]]), "z": np.array(np.inf)}, [5.0, None]),  # only by an axis of size 1 another shape
        ({"y": np.array([1.0, 4.0, 9.0])}, [None, None]),
    ],
)
def test_what_was_answered_is_shown_where_it_is_a_number_of_that_shape(values, claimed):
    nodes = (Node("mul", ("a", "a"), "y"), Node("sum", ("y",), "z"))
    graph = Graph({"a": np.array([1.0, 2.0])}, ("a",), nodes, (Pass("z", 2),))
    reply = Reply(values, ({"a": np.array([2.0, 4.0])},))
    record, _ = counterexample_of(Smallest(graph, reply, refer_graph(graph, epsilon=2.0**-52), Compared(), "graphs"))
    assert [step.claimed for step in record.walkthrough if step.equation == "value"] == claimed
    assert record.walkthrough[0].claimed_shape == ((3,) if values["y"].size == 3 else None)


def test_a_value_of_another_shape_is_said_to_be_one():
    step = Step("value", "y", "y", 1.0, None, True, (0,))
    assert lines_of([step])[0].whole == "✗ y = 1   (candidate: of shape (0,))"
