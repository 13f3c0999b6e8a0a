"""An engine's bounds from above: an answer of three times its tolerance departs, one of a third of it does not.

The engine answers what is right, with one number of one node or leaf nudged.
"""

from dataclasses import replace

import numpy as np
import pytest

from verifier.checks.engine.asking import Reply, direction
from verifier.checks.engine.comparing import compare_with_truth
from verifier.contracts.engine.claims import Engine
from verifier.contracts.engine.graph import Graph, Node, Pass
from verifier.oracles.engine.graphs import refer_graph

EPSILONS = {"float64": 2.0**-52, "float32": 2.0**-23}
GENERATOR = np.random.default_rng(5)
ARRAYS = {name: GENERATOR.normal(size=4) for name in ("a", "b", "c", "v")}
NODES = (Node("mul", ("a", "b"), "y"), Node("sub", ("y", "c"), "d"), Node("exp", ("d",), "e"), Node("sum", ("e",), "z", {"axis": 0}))
PLAIN = Graph(ARRAYS, ("a", "b", "c"), NODES, (Pass("z", 4),))
GRAPHS = {
    "once": PLAIN,
    "twice": replace(PLAIN, passes=(Pass("z", 4), Pass("z", 4))),
    "of second order": replace(PLAIN, directions={"a": "v", "b": "v"}),
    "of complex numbers": Graph(
        {"a": GENERATOR.normal(size=(3, 2)), "b": GENERATOR.normal(size=(3, 2)), "c": GENERATOR.normal(size=(3, 2))},
        ("a", "b"),
        (Node("mul", ("a", "b"), "y"), Node("exp", ("y",), "e")),
        (Pass("e", 2, cotangent="c"),),
        complex=("a", "b", "c"),
    ),
}


def departed(graph, dtype, *, mode="backward", value=None, gradient=None, amount=0.0):
    """What departs in an answer that is right but for one number of a node or, in the last pass, of a leaf; and what is right."""
    right = refer_graph(graph, epsilon=EPSILONS[dtype])
    values = {name: answered.right.copy() for name, answered in right.values.items()}
    gradients = [{name: answered.right.copy() for name, answered in one.items()} for one in right.passes]
    if mode == "directions":
        gradients = [{name: np.array((found * direction(graph, name)).sum()) for name, found in one.items()} for one in gradients]
    if value is not None:
        values[value].flat[0] += amount
    if gradient is not None:
        gradients[-1][gradient].flat[0] += amount
    reply = Reply(values=values, gradients=tuple(gradients))
    found = [compare_with_truth(graph, reply, Engine({}, mode=mode), EPSILONS[dtype], measured=measured) for measured in (True, False)]
    assert [[(one.what, one.tensor, one.number) for one in compared.departures] for compared in found[:1]] == [
        [(one.what, one.tensor, one.number) for one in compared.departures] for compared in found[1:]
    ]
    return [(one.what, one.tensor, one.number) for one in found[0].departures], right


@pytest.mark.parametrize("dtype", EPSILONS)
@pytest.mark.parametrize("kind", GRAPHS)
def test_a_number_off_by_three_tolerances_departs_and_by_a_third_does_not(kind, dtype):
    graph = GRAPHS[kind]
    nothing, right = departed(graph, dtype)
    assert not nothing
    last, what = len(graph.passes) - 1, "second derivative" if graph.directions else "gradient"
    for name, answered in right.values.items():
        tolerance = answered.tolerance.flat[0]
        assert tolerance < 2**13 * EPSILONS[dtype] * np.abs(answered.right).max()
        for factor, expected in ((1 / 3, []), (-1 / 3, []), (3, [("value", name, 0)]), (-3, [("value", name, 0)])):
            assert departed(graph, dtype, value=name, amount=factor * tolerance)[0] == expected
    for name in graph.leaves:
        tolerance = right.passes[last][name].tolerance.flat[0]
        assert tolerance < 2**13 * EPSILONS[dtype] * np.abs(right.passes[last][name].right).max()
        for factor, expected in ((1 / 3, []), (-1 / 3, []), (3, [(what, name, last)]), (-3, [(what, name, last)])):
            assert departed(graph, dtype, gradient=name, amount=factor * tolerance)[0] == expected


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize(("conjugate", "convention"), [(False, np.conj), (True, lambda z: z)])
def test_a_complex_gradient_is_right_by_its_own_convention_alone(conjugate, convention, measured):
    a, b, c = (GRAPHS["of complex numbers"].arrays[name] @ (1, 1j) for name in ("a", "b", "c"))
    graph = replace(GRAPHS["of complex numbers"], nodes=(Node("mul", ("a", "b"), "y"),), passes=(Pass("y", 1, cotangent="c"),))

    def departs(turned):
        """Of y = ab with the cotangent c: PyTorch's gradient of a is c conj(b), JAX's cb."""
        numbers = {"y": a * b, "a": c * turned(b), "b": c * turned(a)}
        parts = {name: np.stack([one.real, one.imag], axis=-1) for name, one in numbers.items()}
        reply = Reply(values={"y": parts.pop("y")}, gradients=(parts,))
        compared = compare_with_truth(graph, reply, Engine({}), EPSILONS["float64"], measured=measured, conjugate=conjugate)
        return [one.tensor for one in compared.departures]

    other = np.conj if conjugate else lambda z: z
    assert (departs(convention), departs(other)) == ([], ["a", "b"])


def test_a_derivative_along_a_direction_off_by_three_tolerances_departs_and_by_a_third_does_not():
    nothing, right = departed(PLAIN, "float64", mode="directions")
    assert not nothing
    for name in PLAIN.leaves:
        tolerance = (right.passes[0][name].tolerance * np.abs(direction(PLAIN, name))).sum()
        for factor, expected in ((1 / 3, []), (3, [("gradient", name, 0)]), (-3, [("gradient", name, 0)])):
            assert departed(PLAIN, "float64", mode="directions", gradient=name, amount=factor * tolerance)[0] == expected


DOUBLED = 13
CHAIN = Graph(
    {"a": np.array(0.7), "b": np.array(0.1)},
    ("a", "b"),
    (Node("mul", ("a", "b"), "v0"), *(Node("add", (f"v{i}", f"v{i}"), f"v{i + 1}") for i in range(DOUBLED))),
    (Pass(f"v{DOUBLED}", DOUBLED + 1),),
)


def followed(times: int) -> float:
    """0.1, the contribution of one path to the gradient of a, added so often."""
    total = 0.0
    for _ in range(times):
        total += 0.1
    return total


@pytest.mark.parametrize(("gradient", "departs"), [(followed(2**DOUBLED), False), (0.1 * 2**DOUBLED * (1 + 1e-10), True)])
def test_a_gradient_that_is_added_up_path_by_path_may_be_off_by_the_rounding_of_that_sum(gradient, departs):
    right = refer_graph(CHAIN, epsilon=EPSILONS["float64"]).passes[0]["a"]
    assert abs(gradient - right.right) > 3 * right.tolerance
    values = {name: one.right for name, one in refer_graph(CHAIN, epsilon=EPSILONS["float64"]).values.items()}
    reply = Reply(values=values, gradients=({"a": np.array(gradient), "b": np.array(0.7 * 2**DOUBLED)},))
    compared = compare_with_truth(CHAIN, reply, Engine({}), EPSILONS["float64"], measured=True)
    assert [one.tensor for one in compared.departures] == ["a"] * departs
    assert any("path by path" in note for note in compared.notes) != departs
