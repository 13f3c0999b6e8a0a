"""Right answers to an engine's graph, and how far an answer may be from them: truth worked out here in NumPy."""

import numpy as np
import pytest

from verifier.contracts.engine.graph import Graph, Node, Pass
from verifier.oracles.engine import graphs
from verifier.oracles.engine.graphs import refer_graph

EPSILONS = {"float64": 2.0**-52, "float32": 2.0**-23}
GENERATOR = np.random.default_rng(5)
A, B, C = (GENERATOR.normal(size=4) for _ in range(3))


def exponentials() -> Graph:
    """Σ exp(a b - c)."""
    nodes = (Node("mul", ("a", "b"), "y"), Node("sub", ("y", "c"), "d"), Node("exp", ("d",), "e"), Node("sum", ("e",), "z", {"axis": 0}))
    return Graph({"a": A, "b": B, "c": C}, ("a", "b", "c"), nodes, (Pass("z", 4),))


def gradients_of_exponentials(dtype: str) -> dict[str, np.ndarray]:
    a, b, c = (array.astype(dtype) for array in (A, B, C))
    powers = np.exp(a * b - c)
    return {"a": powers * b, "b": powers * a, "c": -powers}


@pytest.mark.parametrize("dtype", EPSILONS)
def test_another_right_form_is_within_some_last_bits_and_a_thousandth_of_a_thousandth_is_not(dtype):
    found = refer_graph(exponentials(), epsilon=EPSILONS[dtype])
    assert np.all(np.abs(found.values["e"].right - np.exp(A * B - C)) <= found.values["e"].tolerance)
    for name, right in gradients_of_exponentials("float64").items():
        answered = found.passes[0][name]
        other = gradients_of_exponentials(dtype)[name] if dtype == "float32" else right
        assert np.all(np.abs(other - answered.right) <= answered.tolerance)
        assert np.all(answered.tolerance >= 4 * EPSILONS[dtype] * np.abs(right))
        assert np.all(answered.tolerance <= 2**13 * EPSILONS[dtype] * np.abs(right).max())


def test_without_copies_an_answer_may_be_off_as_one_rounded_number_is():
    graph = Graph({"a": np.array(3.0), "b": np.array(5.0)}, ("a", "b"), (Node("mul", ("a", "b"), "y"),), (Pass("y", 1),))
    found = refer_graph(graph, epsilon=EPSILONS["float64"], copies=0)
    assert float(found.values["y"].tolerance) == 32 * 0.25 * EPSILONS["float64"] * 15.0
    assert float(found.passes[0]["a"].tolerance) == 32 * 0.25 * EPSILONS["float64"] * 5.0


def test_what_cancels_is_known_to_the_last_bits_of_what_it_came_from():
    nodes = (Node("add", ("a", "b"), "y"), Node("sub", ("y", "b"), "z"), Node("mul", ("z", "z"), "w"))
    graph = Graph({"a": np.array(0.7), "b": np.array(1e6)}, ("a", "b"), nodes, (Pass("w", 3),))
    found = refer_graph(graph, epsilon=EPSILONS["float64"])
    assert 1e6 * EPSILONS["float64"] < float(found.values["z"].tolerance) < 1e3 * 1e6 * EPSILONS["float64"]
    assert 1e6 * EPSILONS["float64"] < float(found.passes[0]["a"].tolerance) < 1e3 * 1e6 * EPSILONS["float64"]


@pytest.mark.parametrize(("accumulates", "clear", "times"), [(True, False, 2), (True, True, 1), (False, False, 1)])
def test_a_second_pass_adds_where_the_engine_says_so_and_nothing_was_cleared(accumulates, clear, times):
    graph = exponentials()
    again = Graph(graph.arrays, graph.leaves, graph.nodes, (Pass("z", 4), Pass("z", 4, clear=clear)))
    first, second = refer_graph(again, epsilon=EPSILONS["float64"], accumulates=accumulates).passes
    for name in graph.leaves:
        assert np.all(np.abs(second[name].right - times * first[name].right) <= first[name].tolerance)


def test_a_graph_has_the_same_tolerance_whenever_it_is_asked():
    first, again = (refer_graph(exponentials(), epsilon=2.0**-52).passes[0]["a"].tolerance for _ in range(2))
    assert np.array_equal(first, again)


def test_a_leaf_that_a_pass_does_not_reach_has_the_gradient_zero():
    graph = exponentials()
    apart = Graph({**graph.arrays, "f": np.ones(2)}, (*graph.leaves, "f"), graph.nodes, graph.passes)
    answered = refer_graph(apart, epsilon=2.0**-52).passes[0]["f"]
    assert np.array_equal(answered.right, np.zeros(2))
    assert np.array_equal(answered.tolerance, np.zeros(2))


def test_cotangents_of_the_nodes_come_where_they_are_asked_for():
    found = refer_graph(exponentials(), epsilon=2.0**-52, cotangents=True).passes[0]
    assert np.array_equal(found["e"].right, np.ones(4))
    assert np.all(np.abs(found["d"].right - np.exp(A * B - C)) <= found["d"].tolerance)
    assert "e" not in refer_graph(exponentials(), epsilon=2.0**-52).passes[0]


def ratio(graph: Graph, leaf: str, claimed: np.ndarray) -> float:
    """The largest error ÷ tolerance of a right form."""
    answered = refer_graph(graph, epsilon=2.0**-52).passes[0][leaf]
    return float((np.abs(claimed - answered.right) / answered.tolerance).max())


def test_the_slope_of_a_saturated_sigmoid_from_its_output_is_right_by_the_noise_of_bounded_functions_alone(monkeypatch):
    z, cotangent = np.array([20.0, 23.3, 27.0]), np.array([0.7, -1.1, 0.4])
    graph = Graph({"a": z, "c": cotangent}, ("a",), (Node("sigmoid", ("a",), "y"),), (Pass("y", 1, cotangent="c"),))
    y = np.nextafter(1 / (1 + np.exp(-z)), 0)  # another last bit, as another right form has it
    assert ratio(graph, "a", cotangent * y * (1 - y)) <= 1
    assert ratio(graph, "a", cotangent * y * (1.0001 - y)) > 1
    monkeypatch.setattr(graphs, "BOUNDED", frozenset())
    assert ratio(graph, "a", cotangent * y * (1 - y)) > 1


def test_a_sure_class_less_1_is_right_by_the_noise_of_averages_alone(monkeypatch):
    logits, labels = np.array([[40.0, 0.3, -1.0], [1.0, 2.0, 38.0]]), np.array([0, 2])
    graph = Graph({"a": logits, "labels": labels}, ("a",), (Node("cross_entropy", ("a", "labels"), "y"),), (Pass("y", 1),))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    shares[[0, 1], labels] -= 1  # 0, where the others say -4e-16: their sum
    assert ratio(graph, "a", shares / 2) <= 1
    monkeypatch.setattr(graphs, "AVERAGING", frozenset())
    assert ratio(graph, "a", shares / 2) > 1


@pytest.mark.parametrize("rows", [4, 400])
def test_the_gradient_of_an_average_is_known_to_last_bits_of_its_share(rows):
    """(p - y) / N: its rounding is that of p, an N-th of it."""
    labels = np.arange(rows, dtype=np.int64) % 3
    logits = GENERATOR.normal(size=(rows, 3))
    graph = Graph({"a": logits, "labels": labels}, ("a",), (Node("cross_entropy", ("a", "labels"), "y"),), (Pass("y", 1),))
    tolerance = refer_graph(graph, epsilon=EPSILONS["float64"]).passes[0]["a"].tolerance
    assert np.all(tolerance * rows <= 2**8 * EPSILONS["float64"])
