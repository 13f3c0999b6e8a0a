"""Updated parameters, or a step, in place of the gradient: told in so many words."""

import pytest

STEPPED = {
    "w - 0.1 * g": "W - η ∂L/∂W with η = 0.1.",
    "w - g": "W - η ∂L/∂W with η = 1.",
    "w + 0.1 * g": "uphill",
    "w - 0.5 * len(x) * g": "η = 0.5 × (batch size)",
    "w - 0.5 / len(x) * g": "η = 0.5 / (batch size)",
}


@pytest.mark.parametrize("formula", STEPPED)
def test_updated_parameters_are_told_from_gradients(formula, told_of):
    both = "; ".join(f"{g} = [{formula} for w, g in zip({w}, {g})]" for w, g in (("weights", "gw"), ("biases", "gb")))
    verdict, [first] = told_of(end=both)
    assert (verdict, first.fault, first.equation) == ("fail", "updated-parameters-returned", "update")
    assert "not the gradient but the parameters after a step" in first.explanation
    assert STEPPED[formula] in first.explanation


def test_updated_weights_beside_right_bias_gradients(told_of):
    _, [first] = told_of(end="gw = [w - 0.1 * g for w, g in zip(weights, gw)]")
    assert "the weights after a step" in first.explanation


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ("0.1", "Is a learning rate multiplied in?"),
        ("-0.1", "Is it the step -η ∂L/∂W, with η = 0.1"),
        ("np.log(2)", "That is ln 2. The derivative of a logarithm to base 2 is 1 / (p ln 2): does the loss take it"),
        ("1 / np.log(10)", "That is 1 / ln 10. The derivative of a logarithm to base 10 is 1 / (p ln 10): does the gradient take it"),
    ],
)
def test_a_step_is_told_from_the_gradient(rate, words, told_of):
    _, [first] = told_of(end=f"gw, gb = [{rate} * g for g in gw], [{rate} * g for g in gb]")
    assert first.fault == "constant-factor"
    assert words in first.explanation


def test_updated_weights_are_suspected_where_the_gradient_is_wrong_too(told_of):
    _, [first] = told_of(slope="h", end="gw = [w - 0.1 * g for w, g in zip(weights, gw)]; gb = [b - 0.1 * g for b, g in zip(biases, gb)]")
    assert first.fault == "no-known-mistake"
    assert "are updated weights returned" in first.explanation


def test_a_regularisation_of_one_is_no_step(told_of):
    _, [first, *_] = told_of(end="gw = [g + w for w, g in zip(weights, gw)]")
    assert first.fault == "l2-in-gradient-alone"
