"""Every layout there and back, what is accepted with a note, and what is refused in words that name tensor and shapes."""

import json
from itertools import product

import numpy as np
import pytest

from verifier import textbook
from verifier.contracts.mlp.calling import (
    RECOVERY_RATE,
    deltas_call,
    forward_call,
    from_claimed,
    gradient_call,
    gradients_of_step,
    predict_call,
    read_gradients,
    read_outputs,
    read_stages,
    read_update,
    to_claimed,
    update_call,
    values_of,
)
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.errors import AnswerError
from verifier.problems.program import Problem

LAYOUTS = [
    Claims(weight_layout=weights, batch=batch, bias=bias)
    for weights, batch, bias in product(("out_in", "in_out"), ("rows", "columns", "single"), ("vector", "column", "row", "none"))
]
layouts = pytest.mark.parametrize("claims", LAYOUTS, ids=lambda claims: f"{claims.weight_layout}-{claims.batch}-{claims.bias}")


def a_problem(claims: Claims, batch: int = 3) -> Problem:
    network = Architecture((4, 3, 2), ("sigmoid", "sigmoid"), "squared_error", 1 if claims.batch == "single" else batch)
    return draw_problem(network, Recipe(), claims, seed=1, index=1)


def shapes(claims: Claims) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in values_of(a_problem(claims), claims)[1].items()}


def test_shapes_are_as_the_manifest_says():
    # The design's table, written out for a network 4-3-2 and a batch of 3.
    plain = shapes(Claims())
    assert (plain["weights[0]"], plain["biases[0]"], plain["x"], plain["y"]) == ((3, 4), (3,), (3, 4), (3, 2))
    turned = shapes(Claims(weight_layout="in_out", batch="columns", bias="column"))
    assert (turned["weights[0]"], turned["biases[0]"], turned["x"], turned["y"]) == ((4, 3), (3, 1), (4, 3), (2, 3))
    assert shapes(Claims(bias="row"))["biases[1]"] == (1, 2)
    assert [name for name in shapes(Claims(bias="none")) if name.startswith("biases")] == []
    for bias, x in (("vector", (4,)), ("column", (4, 1)), ("row", (1, 4)), ("none", (4,))):
        assert shapes(Claims(batch="single", bias=bias))["x"] == x


@layouts
def test_every_layout_comes_back_as_it_went_in(claims):
    problem = a_problem(claims)
    for name, array in problem.arrays.items():
        went = to_claimed(name, array, claims)
        back, note = from_claimed(name, went, array.shape, claims)
        assert note is None
        assert back.tobytes() == array.tobytes() and back.shape == array.shape, name


@layouts
def test_what_goes_in_is_a_fresh_writable_contiguous_copy(claims):
    problem = a_problem(claims)
    for name, array in values_of(problem, claims)[1].items():
        assert array.flags.c_contiguous and array.flags.writeable and array.flags.owndata
        assert not np.shares_memory(array, problem.arrays[name])


@layouts
def test_the_plain_formulas_of_a_layout_give_the_networks_outputs(claims):
    # Written out for each layout, apart from the code: z = W a + b or a W + b, samples in rows or columns.
    problem = a_problem(claims)
    arrays = values_of(problem, claims)[1]
    a = arrays["x"]
    columns = claims.batch == "columns" or (claims.batch == "single" and claims.bias != "row")
    for layer in range(2):
        w = arrays[f"weights[{layer}]"]
        w = w if claims.weight_layout == "out_in" else w.T
        b = 0.0 if claims.bias == "none" else arrays[f"biases[{layer}]"].ravel()
        a = (a.T if columns else a) @ w.T + b
        a = 1 / (1 + np.exp(-a))
        a = a.T if columns else a
    outputs = read_outputs("out", {"out": a}, problem, claims)
    assert np.max(np.abs(outputs - textbook.evaluate(problem).outputs)) <= 4 * np.finfo(float).eps  # sigmoids ≤ 1, in another order


def answer_of(problem: Problem, claims: Claims, **instead: object) -> tuple[list, dict]:
    """An answer to `gradient_call` in the claimed layout: each parameter itself as its gradient."""
    names, values = values_of(problem, claims)
    arrays = {name: instead.get(name, array) for name, array in values.items()} | {"loss": np.asarray(instead.get("loss", 0.5))}
    return ["loss", names["weights"], names["biases"]], arrays


def test_a_gradient_with_the_same_elements_in_another_shape_is_taken_with_a_note():
    claims = Claims()
    problem = a_problem(claims)
    tree, arrays = answer_of(problem, claims, **{"biases[0]": problem.arrays["biases[0]"][:, None]})
    evaluation = read_gradients(tree, arrays, problem, claims)
    assert evaluation.gradients["biases[0]"].tolist() == problem.arrays["biases[0]"].tolist()
    assert evaluation.notes == ("biases[0] came back with shape (3, 1), not (3,): its elements were taken in order",)


def test_one_number_for_a_layers_biases_stands_for_each_of_them():
    claims = Claims(bias="column")
    problem = a_problem(claims)
    tree, arrays = answer_of(problem, claims, **{"biases[0]": np.asarray(0.25)})
    evaluation = read_gradients(tree, arrays, problem, claims)
    assert evaluation.gradients["biases[0]"].tolist() == [0.25, 0.25, 0.25]
    assert evaluation.notes == ("biases[0] came back as one number for 3 biases",)


@pytest.mark.parametrize(
    ("claims", "name", "shape", "words"),
    [
        (Claims(), "weights[0]", (4, 4), "weights[0] came back with shape (4, 4), 16 elements; it must have shape (3, 4) as weights go in"),
        (Claims(weight_layout="in_out"), "weights[1]", (1, 2), 'it must have shape (3, 2) as weights go in (weight_layout = "in_out")'),
        (Claims(bias="row"), "biases[0]", (3, 3), "came back with shape (3, 3), 9 elements; it must have shape (1, 3) as biases go in"),
        (Claims(), "weights[0]", (), "weights[0] came back with shape (), 1 elements"),
    ],
)
def test_a_wrong_number_of_elements_is_refused_with_tensor_and_shapes(claims, name, shape, words):
    problem = a_problem(claims)
    tree, arrays = answer_of(problem, claims, **{name: np.zeros(shape)})
    with pytest.raises(AnswerError) as caught:
        read_gradients(tree, arrays, problem, claims)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (["loss", ["weights[0]"], ["biases[0]", "biases[1]"]], "1 weight gradients came back; there must be 2"),
        (["loss", ["weights[0]", "weights[1]"], []], "0 bias gradients came back; there must be 2"),
        (["loss", ["weights[0]", "weights[1]"], None], "0 bias gradients came back; there must be 2"),
        (["loss", [None, "weights[1]"], ["biases[0]", "biases[1]"]], "weights[0] came back as nothing"),
        (["loss", ["weights[0]", "weights[7]"], ["biases[0]", "biases[1]"]], "weights[1] came back as nothing"),
        (["loss", [["weights[0]"], "weights[1]"], ["biases[0]", "biases[1]"]], "weights[0] came back as nothing"),
        (["loss", "ab", ["biases[0]", "biases[1]"]], "0 weight gradients came back"),
        ([["loss"], ["weights[0]", "weights[1]"], ["biases[0]", "biases[1]"]], "the loss came back as nothing"),
        (["loss", ["weights[0]", "weights[1]"]], "does not have 3 parts"),
        (None, "does not have 3 parts"),
    ],
)
def test_an_answer_of_another_form_is_refused_in_words(tree, words):
    problem = a_problem(Claims())
    arrays = answer_of(problem, Claims())[1]
    with pytest.raises(AnswerError) as caught:
        read_gradients(tree, arrays, problem, Claims())
    assert words in str(caught.value)


@pytest.mark.parametrize(("loss", "value"), [(0.5, 0.5), ([0.5], 0.5), ([[0.5]], 0.5), (np.float32(0.5), 0.5)])
def test_a_loss_of_one_element_is_a_number(loss, value):
    problem = a_problem(Claims())
    tree, arrays = answer_of(problem, Claims(), loss=loss)
    assert read_gradients(tree, arrays, problem, Claims()).loss == value
    assert read_gradients([None, *tree[1:]], arrays, problem, Claims()).loss is None


def test_a_loss_a_sample_is_refused():
    problem = a_problem(Claims())
    tree, arrays = answer_of(problem, Claims(), loss=[0.5, 0.5, 0.1])
    with pytest.raises(AnswerError, match=r"shape \(3,\); it must be one number: reduce it over the batch"):
        read_gradients(tree, arrays, problem, Claims())


def test_gradients_of_a_network_without_biases_need_none_and_ignore_what_comes():
    claims = Claims(bias="none")
    problem = a_problem(claims)
    tree, arrays = answer_of(problem, claims)
    assert list(read_gradients(tree, arrays, problem, claims).gradients) == ["weights[0]", "weights[1]"]
    assert list(read_gradients([*tree[:2], ["x"]], arrays, problem, claims).gradients) == ["weights[0]", "weights[1]"]


def test_stages_are_read_in_the_layout_of_x():
    claims = Claims(batch="columns")
    problem = a_problem(claims)
    arrays = {"z0": np.arange(9.0).reshape(3, 3), "z1": np.arange(6.0).reshape(2, 3)}
    stages = read_stages(["z0", "z1"], arrays, problem, claims, ("deltas",))
    assert stages["deltas[1]"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    with pytest.raises(AnswerError, match="activations came back with 1 entries; there must be 2, one per layer, without the input"):
        read_stages([["z0", "z1"], ["z0"]], arrays, problem, claims, ("pre_activations", "activations"))


def test_predicting_nothing_is_refused():
    with pytest.raises(AnswerError, match="predict returned nothing"):
        read_outputs(None, {}, a_problem(Claims()), Claims())


OPEN = Claims(activations=("sigmoid", "tanh"), output_activations=("sigmoid",), losses=("squared_error", "binary_cross_entropy"))


@pytest.mark.parametrize(
    ("claims", "keywords"),
    [
        (Claims(), {}),
        (Claims(activations=("tanh",), output_activations=("sigmoid",)), {}),
        (Claims(activations=("sigmoid", "tanh")), {"activations": ["sigmoid", "sigmoid"]}),
        (Claims(output_activations=("sigmoid", "tanh")), {"activations": ["sigmoid", "sigmoid"]}),
        (Claims(losses=("squared_error", "half_squared_error")), {"loss": "squared_error"}),
        (OPEN, {"activations": ["sigmoid", "sigmoid"], "loss": "squared_error"}),
    ],
)
def test_a_candidate_is_told_what_its_claims_leave_open_and_nothing_else(claims, keywords):
    problem = a_problem(claims)
    without_loss = {key: value for key, value in keywords.items() if key != "loss"}
    for call in (gradient_call(problem, claims, "backprop"), deltas_call(problem, claims), update_call(problem, claims, 0.1)):
        assert dict(call.keywords) == keywords
    for call in (predict_call(problem, claims), forward_call(problem, claims)):
        assert dict(call.keywords) == without_loss


def test_a_call_is_plain_data_with_its_rate():
    message = json.loads(json.dumps(update_call(a_problem(OPEN), OPEN, 0.25).message()))
    assert (message["function"], message["arguments"], message["numbers"]) == ("update", ["weights", "biases", "x", "y"], [0.25])
    assert gradient_call(a_problem(OPEN), OPEN, "learn").function == "learn"


@pytest.mark.parametrize("rate", [RECOVERY_RATE, 0.5, 0.1])
def test_a_gradient_is_recovered_from_a_step_within_its_stated_rounding(rate):
    problem = a_problem(Claims())
    generator = np.random.default_rng(1)
    gradients = {name: generator.standard_normal(problem.arrays[name].shape) for name in problem.program.differentiate}
    stepped = {name: problem.arrays[name] - rate * gradient for name, gradient in gradients.items()}
    recovered = gradients_of_step(stepped, problem, rate)
    assert recovered.loss is None
    for name, gradient in gradients.items():
        # The step's own rounding, that of the product η·g, and that of the difference and the quotient here: half an ulp each.
        assert np.all(np.abs(recovered.gradients[name] - gradient) <= recovered.rounding[name] + 2 * np.spacing(np.abs(gradient)))
        assert np.any(recovered.rounding[name] > 0)


def test_a_step_that_overflowed_gives_no_finite_gradient_and_no_warning():
    problem = a_problem(Claims())
    stepped = {name: np.full(problem.arrays[name].shape, np.inf) for name in problem.program.differentiate}
    assert not np.isfinite(gradients_of_step(stepped, problem, 0.1).gradients["weights[0]"]).any()


def test_a_step_is_read_in_the_claimed_layout():
    claims = Claims(weight_layout="in_out", bias="row")
    problem = a_problem(claims)
    tree, arrays = answer_of(problem, claims)
    updated = read_update(tree[1:], arrays, problem, claims)
    assert {name: array.tobytes() for name, array in updated.items()} == {name: problem.arrays[name].tobytes() for name in updated}
