"""A problem as bytes and back, bit for bit; damaged bytes are a wrong request, nothing worse."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from verifier import textbook, wire
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of, with_claims
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.errors import RequestError
from verifier.problems.program import Node, Problem, Program
from verifier.problems.storage import problem_from_bytes, problem_to_bytes, problem_to_message
from verifier.verification.judging import replay

CLAIMS = Claims(activations=("tanh", "leaky_relu"), output_activations=("softmax",), losses=("cross_entropy",), l2=0.1, log_epsilon=1e-12)


def a_network(dtype: str = "float64") -> Problem:
    return draw_problem(Architecture((2, 3, 2), ("leaky_relu", "softmax"), "cross_entropy", 2, dtype), Recipe(), CLAIMS, seed=1, index=2)


@st.composite
def one_layer_problems(draw):
    """Σ (x - y)² over arrays of any size and any bits."""
    dtype = draw(st.sampled_from(["float64", "float32"]))
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4))
    numbers = arrays(dtype, shape, elements=st.floats(width=32, allow_subnormal=True) if dtype == "float32" else st.floats())
    program = Program(
        (Node("squared_error", ("x", "y"), "losses"), Node("reduce", ("losses",), "loss", {"divisor": draw(st.floats(0.5, 8))})),
        ("x",),
        "loss",
    )
    choices = {"widths": [1, 2], "words": draw(st.text())}
    return Problem(program, {"x": draw(numbers), "y": draw(numbers)}, dtype, "mlp", choices, draw(st.text()))


def same_bits(left: Problem, right: Problem) -> bool:
    def bits(problem: Problem) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
        return {name: (str(array.dtype), array.shape, array.tobytes()) for name, array in problem.arrays.items()}

    return problem_to_message(left) == problem_to_message(right) and bits(left) == bits(right) and list(left.arrays) == list(right.arrays)


@given(one_layer_problems())
def test_a_problem_comes_back_bit_for_bit(problem):
    assert same_bits(problem_from_bytes(problem_to_bytes(problem)), problem)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_negative_zeros_subnormals_and_other_memory_layouts_come_back_bit_for_bit(dtype):
    problem = a_network(dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    weights = np.array([[-0.0, tiny], [-tiny, 3 * tiny], [np.finfo(dtype).max, 0.0]], dtype=dtype)
    problem = Problem(problem.program, {**problem.arrays, "weights[0]": np.asfortranarray(weights)}, dtype, "mlp", problem.choices, "it")
    read = problem_from_bytes(problem_to_bytes(problem))
    assert read.arrays["weights[0]"].tobytes() == weights.tobytes()
    assert same_bits(read, problem)


def test_a_problem_that_was_read_gives_the_same_answers():
    problem = a_network()
    read = problem_from_bytes(problem_to_bytes(problem))
    before, after = textbook.evaluate(problem), textbook.evaluate(read)
    assert before.loss == after.loss
    assert all(before.gradients[name].tobytes() == after.gradients[name].tobytes() for name in before.gradients)
    assert architecture_of(read) == architecture_of(problem)


STORED = problem_to_bytes(a_network())


@given(st.lists(st.tuples(st.integers(0, len(STORED) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, len(STORED)))
def test_changed_or_missing_bytes_are_a_wrong_request_at_worst(changes, kept):
    data = bytearray(STORED)
    for place, byte in changes:
        data[place] = byte
    for damaged in (bytes(data), bytes(data[:kept])):
        try:
            problem = with_claims(problem_from_bytes(damaged), CLAIMS)  # as a replay reads it
        except RequestError:
            continue
        claimed = architecture_of(problem).activations == ("leaky_relu", "softmax") and architecture_of(problem).loss == "cross_entropy"
        if claimed:  # a replay refuses another network before it computes anything
            textbook.evaluate(problem)


def edited(**changes: object) -> bytes:
    problem = a_network()
    return wire.encode_blob(problem_to_message(problem) | changes, problem.arrays)


LAYER = ["affine", ["x", "weights[0]", "biases[0]"], "pre_activations[0]", {}]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format 1"),
        ({"nodes": [["convolution", ["x"], "loss", {}]]}, "does not know: convolution"),
        ({"nodes": [[["affine"], ["x"], "loss", {}]]}, "damaged"),
        ({"nodes": [["affine", ["x", "weights[7]"], "loss", {}]]}, "not there before it"),
        ({"nodes": [["affine", "xy", "loss", {}]]}, "no list"),
        ({"nodes": [LAYER, LAYER], "loss": "pre_activations[0]"}, "there already"),
        ({"nodes": [LAYER], "loss": "pre_activations[0]", "outputs": None, "stages": []}, "not one number"),
        ({"nodes": [["sigmoid", [], "loss", {}]], "outputs": None, "stages": []}, "cannot be computed"),
        ({"nodes": [["reduce", ["x"], "loss", {"divisor": "2"}]], "outputs": None, "stages": []}, "no number"),
        ({"nodes": [["leaky_relu", ["x"], "loss", {}]], "outputs": None, "stages": []}, "cannot be computed"),
        ({"nodes": 3}, "damaged"),
        ({"differentiate": ["weights[9]"]}, "damaged"),
        ({"loss": "profit"}, "damaged"),
        ({"outputs": "guesses"}, "damaged"),
        ({"dtype": "float32"}, "not all of the type"),
        ({"dtype": "float16"}, "not all of the type"),
        ({"description": 4}, "no text"),
        ({"choices": None}, "damaged"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_words(changes, words):
    with pytest.raises(RequestError, match=words):
        problem_from_bytes(edited(**changes))


@pytest.mark.parametrize("choices", [{}, {"widths": 3}, {"widths": [2, 2, 2], "activations": ["tanh"], "loss": "none", "batch": 2}])
def test_a_file_without_a_network_is_no_network(choices):
    with pytest.raises(RequestError, match="says no network"):
        architecture_of(problem_from_bytes(edited(choices=choices)))


def test_a_file_without_the_arrays_that_a_claim_needs_is_refused_by_name():
    without = Claims(activations=("tanh",), bias="none")
    problem = draw_problem(Architecture((2, 1), ("tanh",), "squared_error", 2), Recipe(), without, seed=1, index=2)
    with pytest.raises(RequestError, match=r"has no biases\[0\]"):
        with_claims(problem_from_bytes(problem_to_bytes(problem)), Claims(activations=("tanh",)))
    wide = edited(choices={"widths": [3, 3, 2], "activations": ["leaky_relu", "softmax"], "loss": "cross_entropy", "batch": 2})
    with pytest.raises(RequestError, match=r"weights\[0\] of the stored network has shape \(3, 2\)"):
        with_claims(problem_from_bytes(wide), CLAIMS)


OF_0_1_0 = Path(__file__).parent / "stored" / "sign-0.1.0.safetensors"


def test_a_counterexample_of_the_first_release_is_read_and_gets_its_roles_from_its_builder():
    problem = problem_from_bytes(OF_0_1_0.read_bytes())
    assert problem.roles == {}
    again = with_claims(problem, Claims())
    assert str(again.roles["weights[0]"]) in ("first-layer weights", "output-layer weights")
    assert problem_from_bytes(problem_to_bytes(again)).roles == again.roles


def test_a_counterexample_of_the_first_release_still_fails_its_candidate():
    report = replay(str(OF_0_1_0), str(Path(__file__).parents[2] / "reference_impls" / "faulty" / "sign.py")).report
    assert report.verdict == "fail"
