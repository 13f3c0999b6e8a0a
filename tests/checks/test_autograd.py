"""Gradients against PyTorch's."""

import pytest


def test_right_gradients_pass_and_the_pass_says_what_it_would_have_seen(verify, plain):
    verified = verify(plain)
    assert verified.verdict == "pass", verified.report.summary
    outcome = verified.outcome("autograd")
    assert (outcome.status, outcome.problems, outcome.failed) == ("pass", 20, 0)
    assert outcome.error <= outcome.tolerance
    assert 0 < outcome.resolves < 1e-9  # docs/tolerance.md: the median is 3e-14
    assert not verified.report.notes and not verified.report.diagnosis


MISTAKES = {
    "no σ' at the output": ("/ len(y) * slope(z[-1], a[-1])", "/ len(y)"),
    "no σ' in hidden layers": ("weights[l] * slope(z[l - 1], a[l - 1])", "weights[l]"),
    "z where a is meant": ("inputs = [x, *a[:-1]]", "inputs = [x, *forward(weights, biases, x)[0][:-1]]"),
    "bias gradient averaged": ("d.sum(axis=0)", "d.mean(axis=0)"),
    "σ' of a where z is meant": ("return a * (1 - a)", "return activate(a) * (1 - activate(a))"),
    "one unit a billionth off": ("inputs = [x, *a[:-1]]", "inputs = [x, *a[:-1]]\n    found[-1][:, 0] *= 1 + 1e-9"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_fails_and_the_message_shows_element_numbers_and_tolerance(mistake, verify, plain):
    verified = verify(plain.but(*MISTAKES[mistake]), only=("autograd",))
    outcome = verified.outcome("autograd")
    assert (verified.verdict, outcome.status) == ("fail", "fail")
    assert outcome.error > outcome.tolerance
    assert outcome.message.startswith(f"{outcome.tensor}[")
    assert "should be" in outcome.message and "rounding scatter" in outcome.message


def test_a_gradient_that_is_not_finite_fails(verify, plain):
    outcome = verify(plain.but("return loss, [d.T @ i for", "return loss, [np.nan * d.T @ i for"), only=("autograd",)).outcome("autograd")
    assert (outcome.status, outcome.failed) == ("fail", outcome.problems)
    assert "not finite" in outcome.message


def test_right_gradients_in_float32_pass_where_float32_is_claimed(verify, plain):
    verified = verify(plain.claims('dtypes = ["float32"]'), only=("autograd", "forward"))
    assert verified.verdict == "pass", verified.report.summary
    assert verified.outcome("autograd").resolves > 1e-7
