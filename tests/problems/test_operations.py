"""The catalogue's forward and vjp against PyTorch, within what last-bit errors can do; stacked copies and leading axes."""

import numpy as np
import pytest

from verifier import textbook
from verifier.oracles import autograd
from verifier.oracles.reference import refer
from verifier.problems.operations import OPERATIONS, exact
from verifier.problems.program import Node, Problem, Program
from verifier.tolerance import compare

LOSSES = ("squared_error", "half_squared_error", "cross_entropy", "binary_cross_entropy", "softmax_cross_entropy")
ATTRIBUTES = {
    "leaky_relu": {"leaky_slope": 0.01},
    "clip_preactivation": {"bound": 2.0},
    "reduce": {"divisor": 3.0},
    "l2": {"factor": 0.1},
    "total": {"scale": 3.0},
}
VARIANTS = [
    *((name, ATTRIBUTES.get(name, {})) for name in sorted(OPERATIONS)),
    *((loss, {"log_epsilon": 1e-8}) for loss in ("cross_entropy", "binary_cross_entropy")),
    ("binary_cross_entropy", {"log_epsilon": 0.0, "log_epsilon_of_rest": 1e-3}),
    *((loss, {"clip_output": 0.2}) for loss in ("cross_entropy", "binary_cross_entropy")),
    *((loss, {"log_epsilon": 1e-3, "clip_output": 0.2}) for loss in ("cross_entropy", "binary_cross_entropy")),
]


def problem_of(name: str, attributes: dict[str, float], seed: int) -> Problem:
    """One operation, and behind it a signed, non-uniform cotangent: Σ (value · c) as an affine map and a reduction."""
    generator = np.random.default_rng([seed, sorted(OPERATIONS).index(name)])
    rows, width = 3, 4
    shape = (rows, width)
    if name == "affine":
        arrays = {"in": generator.standard_normal(shape), "w": generator.standard_normal((2, width)), "b": generator.standard_normal(2)}
        width = 2
    elif name in ("l2", "total", "reduce"):
        arrays = {"in": generator.standard_normal(rows if name == "reduce" else shape if name == "l2" else ())}
        if name != "reduce":
            arrays["w"] = generator.standard_normal((2, 3) if name == "l2" else ())
        return Problem(Program((Node(name, tuple(arrays), "loss", attributes),), tuple(arrays), "loss"), arrays, "float64", "", {}, name)
    elif name == "project":
        arrays = {part: generator.standard_normal(shape) for part in ("in", "c", "other", "d")}
        return Problem(Program((Node(name, tuple(arrays), "loss"),), ("in", "other"), "loss"), arrays, "float64", "", {}, name)
    elif name.endswith("entropy") and name.startswith(("cross", "binary")):
        arrays = {"in": generator.uniform(0.01, 0.99, shape)}
    else:
        arrays = {"in": 3 * generator.standard_normal(shape)}
    given, differentiate = dict(arrays), tuple(arrays)
    if "error" in name or "entropy" in name:
        y = generator.dirichlet(np.ones(width), rows) if seed % 2 else np.eye(width)[generator.integers(width, size=rows)]
        nodes = (Node(name, ("in", "y"), "losses", attributes), Node("reduce", ("losses",), "loss", {"divisor": 3.0}))
        return Problem(Program(nodes, differentiate, "loss"), given | {"y": y}, "float64", "", {}, name)
    nodes = (
        Node(name, tuple(arrays), "value", attributes),
        Node("squared_error", ("value", "y"), "losses"),
        Node("reduce", ("losses",), "loss", {"divisor": 1.0}),
    )
    cotangent = generator.standard_normal((rows, width))  # y: the cotangent of the value is 2 (value - y)
    return Problem(Program(nodes, differentiate, "loss"), given | {"y": cotangent}, "float64", "", {}, name)


@pytest.mark.parametrize(("name", "attributes"), VARIANTS, ids=lambda part: part if isinstance(part, str) else ",".join(part) or "-")
def test_value_and_vjp_are_those_of_autograd_within_the_scatter(name, attributes):
    for seed in range(20):
        problem = problem_of(name, attributes, seed)
        reference, claimed = refer(problem, autograd.evaluate, seed=seed), textbook.evaluate(problem)
        assert abs(claimed.loss - reference.loss) <= reference.loss_tolerance()
        for tensor, gradient in claimed.gradients.items():
            found = compare(gradient, reference.gradients[tensor], reference.gradient_tolerance(tensor))
            assert found.within, (tensor, found)
            assert np.isfinite(gradient).all() and np.any(gradient)


@pytest.mark.parametrize(("name", "attributes"), VARIANTS, ids=lambda part: part if isinstance(part, str) else ",".join(part) or "-")
def test_copies_stacked_on_a_leading_axis_are_swept_as_each_alone(name, attributes):
    singles = [problem_of(name, attributes, seed) for seed in range(4)]
    stacked = {array: np.stack([problem.arrays[array] for problem in singles]) for array in singles[0].arrays}
    together = textbook.sweep(singles[0].program, stacked)
    for copy, problem in enumerate(singles):
        alone = textbook.sweep(problem.program, problem.arrays)
        for value, array in (*alone.values.items(), *((f"by {k}", v) for k, v in alone.cotangents.items())):
            swept = together.cotangents[value[3:]] if value.startswith("by ") else together.values[value]
            # Stacked products may sum in another order: n terms, an epsilon of the largest each.
            allowed = 12 * np.finfo(np.float64).eps * np.max(np.abs(array), initial=0)
            assert swept[copy].shape == array.shape
            assert np.all(np.abs(swept[copy] - array) <= allowed), value


def test_one_copy_of_an_array_serves_many_copies_of_another():
    problem = problem_of("affine", {}, 0)
    many = {name: array[None] for name, array in problem.arrays.items()}
    many["w"] = np.stack([problem.arrays["w"], 2 * problem.arrays["w"], 0 * problem.arrays["w"]])
    swept = textbook.sweep(problem.program, many)
    assert swept.values["loss"].shape == (3,)
    for copy, factor in enumerate((1, 2, 0)):
        arrays = {**problem.arrays, "w": factor * problem.arrays["w"]}
        alone = textbook.sweep(problem.program, arrays)
        for together, single in ((swept.values, alone.values["value"]), (swept.cotangents, alone.cotangents["w"])):
            found = together["value" if together is swept.values else "w"][copy]
            assert np.max(np.abs(found - single)) <= 12 * np.finfo(np.float64).eps * np.max(np.abs(single))  # sums of at most 12 terms


def test_a_value_that_is_used_twice_adds_its_cotangents():
    nodes = (
        Node("squared_error", ("x", "y"), "losses"),
        Node("reduce", ("losses",), "a", {"divisor": 1.0}),
        Node("l2", ("x",), "b", {"factor": 5.0}),
        Node("total", ("a", "b", "a"), "loss", {"scale": 1.0}),
    )
    program = Program(nodes, ("x",), "loss")
    x, y = np.array([[1.0, 2.0]]), np.array([[0.5, 4.0]])
    # L = 2 (x - y)² + 5 x²: by hand 4 (x - y) + 10 x
    assert textbook.sweep(program, {"x": x, "y": y}).cotangents["x"].tolist() == [[4 * 0.5 + 10, 4 * -2.0 + 20]]


def test_an_array_that_nothing_depends_on_has_a_zero_gradient_in_both_oracles():
    program = Program((Node("l2", ("x",), "loss", {"factor": 1.0}),), ("x", "unused"), "loss")
    problem = Problem(program, {"x": np.ones((1, 2)), "unused": np.ones(3)}, "float64", "", {}, "")
    for evaluation in (textbook.evaluate(problem), autograd.evaluate(problem)):
        assert evaluation.gradients["unused"].tolist() == [0.0, 0.0, 0.0]
        assert evaluation.gradients["x"].tolist() == [[2.0, 2.0]]


HAND_WORKED = [
    # operation, input, attributes, value, derivative: worked by hand
    ("relu", [-2.0, 3.0], {}, [0.0, 3.0], [0.0, 1.0]),
    ("leaky_relu", [-2.0, 3.0], {"leaky_slope": 0.25}, [-0.5, 3.0], [0.25, 1.0]),
    ("identity", [-2.0, 3.0], {}, [-2.0, 3.0], [1.0, 1.0]),
    ("clip_preactivation", [-7.0, 3.0], {"bound": 5.0}, [-5.0, 3.0], [0.0, 1.0]),
    ("softplus", [-800.0, 3.0], {"softplus_threshold": 2.0}, [0.0, 3.0], [0.0, 1.0]),
    ("sigmoid", [0.0], {}, [0.5], [0.25]),
    ("tanh", [0.0], {}, [0.0], [1.0]),
    ("softmax", [1.0, 1.0], {}, [0.5, 0.5], [0.0, 0.0]),
]


@pytest.mark.parametrize(("name", "given", "attributes", "value", "slope"), HAND_WORKED)
def test_an_activation_worked_by_hand(name, given, attributes, value, slope):
    operation, inputs = OPERATIONS[name], (np.array(given),)
    output = operation.forward(inputs, attributes, exact)
    assert output.tolist() == value
    assert operation.vjp(inputs, output, np.ones(len(given)), attributes, exact)[0].tolist() == slope


@pytest.mark.parametrize(
    ("name", "attributes", "points"),
    [
        ("relu", {}, (0.0,)),
        ("leaky_relu", {"leaky_slope": 0.1}, (0.0,)),
        ("clip_preactivation", {"bound": 3.0}, (-3.0, 3.0)),
        ("tanh", {}, ()),
        ("softplus", {}, ()),
        ("cross_entropy", {}, ()),
        ("cross_entropy", {"clip_output": 0.25}, (0.25, 0.75)),
        ("binary_cross_entropy", {"clip_output": 0.25}, (0.25, 0.75)),
    ],
)
def test_kinks_stand_where_the_derivative_jumps(name, attributes, points):
    assert OPERATIONS[name].kinks(attributes) == points
    inputs = np.linspace(0.1, 0.9, 81)[:, None] if "entropy" in name else np.linspace(-4.05, 4.05, 82)[:, None]
    rest = (np.full_like(inputs, 0.5),) if "entropy" in name else ()
    output = OPERATIONS[name].forward((inputs, *rest), attributes, exact)
    slope = OPERATIONS[name].vjp((inputs, *rest), output, np.ones_like(output), attributes, exact)[0][:, 0]
    jumps = inputs[1:, 0][np.abs(np.diff(slope)) > 0.6] - np.diff(inputs[:2, 0]) / 2
    assert len(jumps) == len(points)
    assert all(abs(jump - point) <= np.diff(inputs[:2, 0]) for jump, point in zip(jumps, points, strict=True))


@pytest.mark.parametrize(
    ("name", "inputs", "attributes", "cotangent", "by_hand"),
    [
        # Two copies side by side, with cotangents of their own.
        ("reduce", [np.ones((2, 3))], {"divisor": 4.0}, [1.0, -2.0], [[[0.25] * 3, [-0.5] * 3]]),
        ("total", [np.array([1.0, 2.0]), np.array([5.0, 6.0])], {"scale": 3.0}, [1.0 + 2.0**-40, -2.0], [[3.0 + 3 * 2.0**-40, -6.0]] * 2),
        # No weight leads from the second input, no cotangent to the second unit: their gradients are exactly 0.
        (
            "affine",
            [np.array([[5.0, 7.0]]), np.array([[2.0, 0.0], [3.0, 0.0]])],
            {},
            [[1.0, 0.0]],
            [[[2.0, 0.0]], [[5.0, 7.0], [0.0, 0.0]]],
        ),
    ],
)
def test_a_vjp_worked_by_hand(name, inputs, attributes, cotangent, by_hand):
    operation = OPERATIONS[name]
    output = operation.forward(tuple(inputs), attributes, exact)
    gradients = operation.vjp(tuple(inputs), output, np.array(cotangent), attributes, exact)
    assert [gradient.tolist() for gradient in gradients] == by_hand
