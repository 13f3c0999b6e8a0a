"""Graphs as data: stored, read back, made smaller."""

import numpy as np
import pytest

from verifier.contracts.engine.drawing import SHAPES
from verifier.contracts.engine.endings import ended, values_of
from verifier.contracts.engine.graph import Graph, Node, Pass, described, from_bytes, shares_nodes, to_bytes, without_unused
from verifier.contracts.engine.smaller import size_of, smaller, tidied
from verifier.errors import RequestError


def diamond() -> Graph:
    nodes = (Node("mul", ("a", "a"), "y"), Node("exp", ("b",), "unused"), Node("sum", ("y",), "z", {"axis": 0}))
    arrays = {"a": np.array([[1.0, 2.0], [3.0, 4.0]]), "b": np.ones(3)}
    return Graph(arrays, ("a", "b"), nodes, (Pass("z", 3),))


def test_a_stored_graph_comes_back_as_it_was():
    graph = diamond()
    again = from_bytes(to_bytes(graph))
    assert (again.nodes, again.passes, again.leaves) == (graph.nodes, graph.passes, graph.leaves)
    assert all(np.array_equal(again.arrays[name], array) for name, array in graph.arrays.items())


def test_a_file_of_something_else_is_refused():
    with pytest.raises(RequestError, match="not a stored graph"):
        from_bytes(b"nothing")


def test_what_no_pass_needs_is_taken_away():
    kept = without_unused(diamond())
    assert described(kept) == "y = mul(a, a); z = sum(y, axis=0)"
    assert kept.leaves == ("a",)
    assert kept.passes[0].nodes == 2


def test_an_ending_makes_one_number_of_an_array():
    graph = ended(diamond(), "weighted", np.random.default_rng(1), (2,))
    assert values_of(graph)[graph.passes[0].output].shape == ()
    assert "weights" in graph.leaves


def test_each_step_is_smaller_and_can_be_computed():
    graph = ended(diamond(), "weighted", np.random.default_rng(1), (2,))
    steps = [one for one in smaller(graph) if size_of(one) < size_of(graph)]
    assert steps
    assert all(np.isfinite(values_of(one)[one.passes[0].output]).all() for one in steps)


def test_a_leaf_that_only_an_earlier_pass_used_is_not_reached():
    nodes = (Node("sum", ("a",), "y"), Node("sum", ("b",), "z"))
    graph = Graph({"a": np.ones(2), "b": np.ones(2)}, ("a", "b"), nodes, (Pass("y", 1), Pass("z", 2)))
    assert "a" not in graph.reached(1)
    assert "b" in graph.reached(1)


def test_a_second_call_over_shared_nodes_is_told_from_a_second_graph_over_the_leaves():
    nodes = (Node("mul", ("a", "a"), "y"), Node("exp", ("a",), "z"))
    other = Graph({"a": np.ones(())}, ("a",), nodes, (Pass("y", 1), Pass("z", 2)))
    again = Graph({"a": np.ones(())}, ("a",), nodes, (Pass("y", 1), Pass("y", 2)))
    assert (shares_nodes(other), shares_nodes(again)) == (False, True)


def test_a_tidied_graph_computes_the_same():
    nodes = (Node("neg", ("v7_",), "v3"), Node("mul", ("v3", "x0"), "joined1"))
    graph = Graph({"v7_": np.array(2.0), "x0": np.array(3.0)}, ("v7_", "x0"), nodes, (Pass("joined1", 2),))
    short = tidied(graph)
    assert described(short) == "v0 = neg(a); v1 = mul(v0, b)"
    assert values_of(short)["v1"] == values_of(graph)["joined1"]


def test_a_branch_that_nobody_reads_can_be_kept_while_the_rest_is_made_smaller():
    nodes = (Node("neg", ("a",), "x"), Node("exp", ("x",), "unused"), Node("tanh", ("x",), "w"), Node("sin", ("w",), "y"))
    graph = Graph({"a": np.array(0.5)}, ("a",), nodes, (Pass("y", 4),))
    assert any("unused" in {node.output for node in one.nodes} and len(one.nodes) < 4 for one in smaller(graph))


def test_a_value_is_made_a_leaf_where_somebody_reads_it_and_leaves_of_its_rank_are_drawn():
    # An engine may refuse a leaf of a rank that it was never asked alone, and a leaf that nobody reads makes no graph smaller.
    nodes = (
        *(Node("exp", ("a",), "x"), Node("unsqueeze", ("x",), "tall", {"axis": 0}), Node("tanh", ("tall",), "y")),
        *(Node("sum", ("y",), "z"), Node("sin", ("x",), "unused")),
    )
    graph = Graph({"a": np.full((2, 3, 2), 0.5)}, ("a",), nodes, (Pass("z", 5),))
    leaves = {leaf: (array, one) for one in smaller(graph) for leaf, array in one.arrays.items() if leaf != "a"}
    assert "x_" in leaves
    for leaf, (array, one) in leaves.items():
        assert array.ndim <= max(map(len, SHAPES))
        assert any(leaf in node.operands for node in one.nodes)
