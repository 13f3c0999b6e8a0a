"""Wrong ways through a graph, beside numbers that were worked by hand; none of them may stumble over the shapes of a graph."""

import numpy as np
import pytest

from verifier.contracts.engine.graph import Graph, Node, Pass
from verifier.oracles.engine.schedules import simulate


def of(arrays, *nodes):
    given = {name: np.array(values, dtype=np.float64) for name, values in arrays.items()}
    return Graph(given, tuple(given), nodes, (Pass(nodes[-1].output, len(nodes)),))


# y = tanh(x) + x · x with x = -a, at a = -1: from tanh 1 − tanh²(1), from the product 2, each times −1.
SLOPE = 1 - np.tanh(1.0) ** 2
DIAMOND = of(
    {"a": -1.0},
    Node("neg", ("a",), "x"),
    Node("mul", ("x", "x"), "u"),
    Node("tanh", ("x",), "v"),
    Node("add", ("u", "v"), "y"),
)


@pytest.mark.parametrize(
    ("way", "gradient"),
    [
        ("one-operand", -SLOPE - 1.0),
        ("mul:overwrites", -1.0),
        ("mul:second-lost", -SLOPE - 1.0),
        ("tanh:second-lost", -SLOPE - 2.0),
        ("tanh:first-lost", -2.0),
    ],
)
def test_a_wrong_way_gives_the_numbers_worked_by_hand(way, gradient):
    found = [gradients["a"] for name, gradients in simulate(DIAMOND, ("mul", "tanh")) if name == way]
    assert any(one == pytest.approx(gradient, abs=1e-12) for one in found)


def test_of_several_paths_the_first_or_the_last_counts():
    found = [gradients["a"] for name, gradients in simulate(DIAMOND) if name == "one-contribution"]
    assert found == pytest.approx([-1.0, -SLOPE], abs=1e-12)  # the product's second operand comes last


def test_from_the_leaves_on_only_the_operands_of_the_output_get_a_gradient():
    assert dict(simulate(DIAMOND))["outermost"]["a"] == 0
    assert dict(simulate(of({"a": 3.0, "b": 2.0}, Node("exp", ("a",), "x"), Node("mul", ("x", "b"), "y"))))["outermost"] == {
        "a": 0.0,
        "b": pytest.approx(np.exp(3.0)),
    }


def test_a_reader_that_nobody_waits_for_is_waited_for_in_vain():
    branch = of({"a": -1.0}, Node("neg", ("a",), "x"), Node("exp", ("x",), "unused"), Node("tanh", ("x",), "y"))
    assert dict(simulate(branch))["waiting"]["a"] == 0


def test_equal_values_are_taken_for_one():
    equal = of({"a": 2.0, "b": 2.0}, Node("mul", ("a", "b"), "y"))
    found = [gradients for name, gradients in simulate(equal) if name == "equal-values"]
    assert [(one["a"].item(), one["b"].item()) for one in found] == [(4.0, 0.0), (0.0, 4.0)]


def test_equal_numbers_in_other_shapes_and_stretched_cotangents_are_no_trouble():
    nodes = (Node("flatten", ("a",), "u"), Node("sum", ("a",), "v"), Node("mul", ("u", "u"), "w"), Node("sum", ("w",), "x"))
    graph = of({"a": np.ones((3, 3))}, *nodes, Node("add", ("v", "x"), "y"))
    assert all(gradients["a"].shape == (3, 3) for _, gradients in simulate(graph, ("flatten", "sum", "mul", "add")))
