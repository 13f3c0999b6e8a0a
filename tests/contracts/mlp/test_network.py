"""The builder: which nodes a claim asks for, and that each claim's loss is the one of the design's table."""

from dataclasses import replace

import numpy as np
import pytest

from verifier import textbook
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import (
    Architecture,
    architecture_of,
    array_shapes,
    build_problem,
    build_program,
    data_part,
    losses_of_outputs,
    sample_of,
    with_arrays,
    with_claims,
)
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.oracles.scatter import measure_scatter
from verifier.problems.program import Problem

# ŷ = z = x W + b of an identity layer: 2 samples, 2 outputs, differences (1, 2) and (3, 4).
IDENTITY = Claims(activations=("identity",), output_activations=("identity",))
LINEAR = {
    "weights[0]": np.array([[1.0, 0.0], [0.0, 1.0]]),
    "biases[0]": np.array([1.0, 1.0]),
    "x": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "y": np.array([[1.0, 1.0], [1.0, 1.0]]),
}


def linear_loss(**claims: object) -> float:
    changed = replace(IDENTITY, **claims)  # type: ignore[arg-type]
    arrays = {name: array for name, array in LINEAR.items() if name != "biases[0]" or changed.bias != "none"}
    return textbook.evaluate(build_problem(Architecture((2, 2), ("identity",), changed.losses[0], 2), arrays, changed)).loss


@pytest.mark.parametrize(
    ("claims", "loss"),
    [
        # squares 1, 4 and 9, 16: sum 30, mean over the batch 15, over everything 7.5; ΣW² = 2
        ({"reduction": "sum"}, 30.0),
        ({"reduction": "mean"}, 15.0),
        ({"reduction": "mean_all"}, 7.5),
        ({"losses": ("half_squared_error",)}, 7.5),
        ({"losses": ("half_squared_error",), "reduction": "sum"}, 15.0),
        ({"loss_scale": 2.0}, 30.0),
        ({"l2": 0.25}, 15.5),
        ({"l2": 0.25, "l2_over_batch": True}, 15.25),
        ({"l2": 0.25, "loss_scale": 2.0}, 31.0),
        ({"l2": 0.25, "l2_over_batch": True, "loss_scale": 2.0, "reduction": "mean_all"}, 15.5),
        ({"bias": "none", "reduction": "sum"}, 0.0 + 1 + 4 + 9),  # differences (0, 1) and (2, 3)
    ],
)
def test_reduction_scale_and_regularisation_are_those_of_the_formula(claims, loss):
    assert linear_loss(**claims) == loss


def test_regularisation_never_touches_a_bias():
    claims = replace(IDENTITY, l2=10.0)
    problem = build_problem(Architecture((2, 2), ("identity",), "squared_error", 2), LINEAR, claims)
    penalties = [node for node in problem.program.nodes if node.operation == "l2"]
    assert [node.inputs for node in penalties] == [("weights[0]",)]


def networks(**claims: object) -> tuple[Claims, Problem]:
    claimed = replace(Claims(activations=("tanh",)), **claims)  # type: ignore[arg-type]
    network = Architecture((3, 4, 2), ("tanh", claimed.pairs()[0][0]), claimed.losses[0], 3)
    return claimed, draw_problem(network, Recipe(), claimed, seed=2, index=3)


@pytest.mark.parametrize(
    ("loss", "output", "operation", "argument"),
    [
        ("cross_entropy", "softmax", "softmax_cross_entropy", "pre_activations[1]"),
        ("binary_cross_entropy", "sigmoid", "binary_cross_entropy_with_logits", "pre_activations[1]"),
        ("binary_cross_entropy", "softmax", "binary_cross_entropy", "activations[1]"),
        ("softmax_cross_entropy", "softmax", "softmax_cross_entropy", "pre_activations[1]"),
        ("softmax_cross_entropy", "identity", "softmax_cross_entropy", "activations[1]"),
        ("binary_cross_entropy_with_logits", "sigmoid", "binary_cross_entropy_with_logits", "pre_activations[1]"),
        ("binary_cross_entropy_with_logits", "tanh", "binary_cross_entropy_with_logits", "activations[1]"),
        ("squared_error", "softmax", "squared_error", "activations[1]"),
    ],
)
def test_a_logarithmic_loss_is_computed_from_its_logits_where_it_can_be(loss, output, operation, argument):
    program = build_program(Architecture((2, 3, 2), ("tanh", output), loss, 2), Claims(output_activations=(output,), losses=(loss,)))
    node = next(node for node in program.nodes if node.output == "losses")
    assert (node.operation, node.inputs) == (operation, (argument, "y"))


@pytest.mark.parametrize(
    ("convention", "value", "attributes"),
    [
        ("log_epsilon", 1e-3, {"log_epsilon": 1e-3}),
        ("clip_output", 1e-3, {"clip_output": 1e-3, "clip_output_high": 1 - 1e-3}),
        ("clip_output", (1e-3, 1.0), {"clip_output": 1e-3, "clip_output_high": 1.0}),
    ],
)
@pytest.mark.parametrize(("loss", "output"), [("cross_entropy", "softmax"), ("binary_cross_entropy", "sigmoid")])
def test_a_convention_inside_a_logarithm_is_computed_on_the_probability(convention, value, attributes, loss, output):
    claims = replace(Claims(output_activations=(output,), losses=(loss,)), **{convention: value})
    node = next(node for node in build_program(Architecture((2, 2), (output,), loss, 2), claims).nodes if node.output == "losses")
    assert (node.operation, node.inputs, dict(node.attributes)) == (loss, ("activations[0]", "y"), attributes)


def test_a_clipped_pre_activation_stands_before_exponentials_only():
    claims = Claims(activations=("tanh", "relu"), output_activations=("softmax",), losses=("cross_entropy",), clip_preactivation=20.0)
    program = build_program(Architecture((2, 3, 3, 2), ("relu", "tanh", "softmax"), "cross_entropy", 2), claims)
    assert [node.inputs for node in program.nodes if node.operation == "clip_preactivation"] == [
        ("pre_activations[1]",),
        ("pre_activations[2]",),
    ]
    assert next(node for node in program.nodes if node.output == "losses").inputs == ("clipped[2]", "y")


PAIRS = [
    ("squared_error", "tanh"),
    ("half_squared_error", "softmax"),
    ("cross_entropy", "softmax"),
    ("binary_cross_entropy", "sigmoid"),
    ("binary_cross_entropy", "softmax"),
    ("softmax_cross_entropy", "softmax"),
    ("softmax_cross_entropy", "identity"),
    ("binary_cross_entropy_with_logits", "sigmoid"),
    ("binary_cross_entropy_with_logits", "tanh"),
]


@pytest.mark.parametrize("more", [{}, {"l2": 0.1, "loss_scale": 3.0}, {"reduction": "mean_all", "l2": 0.1, "l2_over_batch": True}])
@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_the_claimed_loss_over_somebody_elses_outputs_is_the_networks_loss(loss, output, more):
    claims, problem = networks(losses=(loss,), output_activations=(output,), **more)
    evaluation = textbook.evaluate(problem)
    parameters = {name: np.stack([problem.arrays[name]] * 2) for name in problem.program.differentiate}
    losses = losses_of_outputs(problem, claims, np.stack([evaluation.outputs] * 2), parameters)
    assert losses.shape == (2,)
    assert np.all(np.abs(losses - evaluation.loss) <= 32 * measure_scatter(problem).loss)


def test_the_penalty_of_somebody_elses_outputs_is_that_of_each_points_own_weights():
    claims, problem = networks(l2=0.5)
    moved = {name: np.stack([problem.arrays[name], 2 * problem.arrays[name]]) for name in problem.program.differentiate}
    outputs = np.stack([textbook.evaluate(problem).outputs] * 2)
    first, second = losses_of_outputs(problem, claims, outputs, moved)
    penalty = 0.5 * sum((problem.arrays[f"weights[{layer}]"] ** 2).sum() for layer in range(2))
    assert abs((second - first) - 3 * penalty) <= 16 * np.finfo(float).eps * second  # 20 squares of one sign, added in another order


@pytest.mark.parametrize(("l2", "scale", "over_batch"), [(0.5, 1.0, False), (0.5, 3.0, True), (0.0, 3.0, False)])
def test_the_data_part_is_the_gradient_of_the_network_without_its_penalty(l2, scale, over_batch):
    claims, problem = networks(l2=l2, loss_scale=scale, l2_over_batch=over_batch)
    plain = with_claims(problem, replace(claims, l2=0.0))
    parted = data_part(textbook.evaluate(problem).gradients, problem)
    for name, gradient in textbook.evaluate(plain).gradients.items():
        largest = np.max(np.abs(textbook.evaluate(problem).gradients[name]))
        assert np.all(np.abs(parted[name] - gradient) <= 4 * np.finfo(float).eps * largest)  # the penalty added and taken away


def test_a_batch_is_the_mean_of_its_samples():
    claims, problem = networks()
    whole = textbook.evaluate(problem).gradients
    singles = [textbook.evaluate(sample_of(problem, row, claims)) for row in range(3)]
    assert [architecture_of(sample_of(problem, row, claims)).batch for row in range(3)] == [1, 1, 1]
    for name, gradient in whole.items():
        mean = sum(single.gradients[name] for single in singles) / 3
        assert np.all(np.abs(mean - gradient) <= 32 * measure_scatter(problem).gradients[name].max())


def test_an_architecture_survives_the_problem_and_says_itself_in_a_line():
    network = Architecture((3, 4, 2), ("tanh", "sigmoid"), "squared_error", 5, "float32")
    claims = Claims(activations=("tanh",), output_activations=("sigmoid",))
    problem = draw_problem(network, Recipe(), claims, seed=1, index=1)
    assert architecture_of(problem) == network
    assert problem.description == "layers 3-4-2, tanh then sigmoid, squared_error, batch 5, float32"
    assert array_shapes(network, claims) == {name: array.shape for name, array in problem.arrays.items()}


def test_other_arrays_make_another_problem_and_leave_the_first_alone():
    _, problem = networks()
    other = with_arrays(problem, {"biases[0]": np.zeros(4)})
    assert other.arrays["biases[0]"].tolist() == [0.0] * 4
    assert problem.arrays["biases[0]"].any()
    assert other.program is problem.program
