"""Stairs that rounding makes hide a gradient, and nobody is accused on them; steps that a function makes itself hide nothing."""

import contextlib
import math

import numpy as np
import pytest
import torch

from verifier import assert_gradients
from verifier.coarser import Seen
from verifier.errors import Inconclusive
from verifier.oracles.functions.stairs import hidden_by_stairs

RANDOM = np.random.default_rng(12)
SMALL, SMALLER = (torch.tensor(size * RANDOM.normal(size=(1, 4))) for size in (1e-6, 1e-8))
FIRST, SECOND = torch.tensor([[-6.914e-07, 1.026e-06, -7.947e-07]]).double(), torch.tensor(30 * RANDOM.normal(size=(3, 7)))


def norm(y):
    return y / y.norm()


def normalize(y):
    return (y - y.mean()) / y.std()


def half(x):
    return x.half().to(x.dtype)


RIGHT = {
    "1 - cos, norm": (lambda x: norm(1 - torch.cos(x)), SMALLER),
    "a power and a sine before it": (lambda x, w: norm(1 - torch.cos(torch.sin(30 * (x.abs() ** 1.7 @ w)))), FIRST, SECOND),
    "1 - cos, ratio": (lambda x: (1 - torch.cos(x))[:, 1:] / (1 - torch.cos(x))[:, :1], SMALL),
    "1 - cos, log": (lambda x: torch.log(1 - torch.cos(x)), 3 * SMALLER),
    "1 - cos, shares": (lambda x: (1 - torch.cos(x)) / (1 - torch.cos(x)).sum(), SMALLER),
    "sqrt(1 + x²) - 1, normalised": (lambda x: normalize(torch.sqrt(1 + x * x) - 1), SMALLER),
    "sqrt(1 + x²) - 1, scaled": (lambda x: torch.tanh(1e12 * (torch.sqrt(1 + x * x) - 1)), SMALLER),
    "exp - 1 - x": (lambda x: norm(torch.exp(x) - 1 - x), SMALLER),
    "log(1 + x) - x, power": (lambda x: ((torch.log(1 + x) - x).abs() + 1e-20) ** 0.5, SMALLER),
    "tanh - x, angle": (lambda x: torch.atan2((torch.tanh(x) - x)[:, 1:], (torch.tanh(x) - x)[:, :-1]), SMALL),
    "sin - x, norm": (lambda x: norm(torch.sin(x) - x), SMALL),
    "softmax less softmax": (lambda x: norm(torch.softmax(x, -1) - torch.softmax(x.flip(-1), -1)), 1e-8 * SMALLER),
    "x - (x - y)": (lambda x: norm(1e8 - (1e8 - x)), SMALLER),
    "an offset in and out": (lambda x: norm((x + 1e3).cumsum(-1) - 1e3 * torch.arange(1, 5)), 1e-4 * SMALLER),
    "float16 inside, norm": (lambda x: norm(half(1 + 1e3 * x) - 1), SMALL),
    "float16 inside, log of shares": (lambda x: torch.log_softmax(norm(half(1 + 1e3 * x) - 1), -1), SMALL),
    "bfloat16 inside": (lambda x: normalize((1 + 1e4 * x).bfloat16().double()), SMALL),
    "float32 inside": (lambda x: norm(1 - torch.cos(x.float()).double()), 1e3 * SMALL),
    "a float32 stair far away": (lambda x: torch.tanh(1e12 * (1 - torch.cos(x.float())).double()), SMALL),
    "stairs closer than half of the digits tell": (lambda x: torch.tanh(1e12 * (1 - (1 + x) / (1 + x).norm() / 0.5)), SMALLER),
    "none of its digits in float32": (lambda x: torch.tanh(1e12 * (torch.exp(x) - 1)), SMALLER.float()),
    "in float32": (lambda x: torch.atan2((1 - torch.cos(x))[:, 1:], (1 - torch.cos(x))[:, :-1]), SMALLER.float()),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_on_the_stairs_of_its_rounding_is_not_accused(name):
    function, *inputs = RIGHT[name]
    with contextlib.suppress(Inconclusive):
        assert_gradients(function, *inputs)


def one_minus_cos(x):
    y = 1 - np.cos(x)
    return y / np.linalg.norm(y)


def of_one_minus_cos(x, cotangent):
    y = 1 - np.cos(x)
    size = np.linalg.norm(y)
    return np.sin(x) * (cotangent / size - y * (cotangent * y).sum() / size**3)


def test_what_hides_it_is_said_for_numpy_too_and_larger_numbers_are_judged():
    x = SMALLER.numpy()
    with pytest.raises(Inconclusive, match="along x it goes in steps, as far as can be seen of rounding inside"):
        assert_gradients(one_minus_cos, of_one_minus_cos, x)
    assert_gradients(one_minus_cos, of_one_minus_cos, 1e7 * x)
    with pytest.raises(AssertionError):
        assert_gradients(one_minus_cos, lambda x, c: 1.01 * of_one_minus_cos(x, c), 1e7 * x)


def shrunk(x):
    return np.where(np.abs(x) > 0.5, x, 0.0)


STEPPING = {
    "floor": (lambda x: np.floor(x) * x, lambda x, c: c * np.floor(x), np.array([0.5, 1.5, 2.5])),
    "a straight-through round": (lambda x: np.round(x), lambda x, c: 0 * c, np.array([0.3, 1.2, -2.4])),
    "a threshold": (shrunk, lambda x, c: c * (np.abs(x) > 0.5), np.array([0.9, -0.7, 0.3])),
    "a sign": (lambda x: np.sign(x) * x**2, lambda x, c: 2 * c * np.abs(x), np.array([0.9, -0.7, 0.3])),
    "data of its own": (lambda w: np.floor(DATA @ w) @ w, lambda w: np.floor(DATA @ w), np.array([0.45, 0.8])),
    "a pole nearby": (lambda x: 1 / (np.exp(x) - 1.5), lambda x, c: -c * np.exp(x) / (np.exp(x) - 1.5) ** 2, np.array([0.38, 0.43])),
    "plain numbers": (lambda x: math.floor(x[0]) * x[0], lambda x: np.array([math.floor(x[0])]), np.array([1.5])),
}
DATA = np.array([[1.2, 0.1], [0.3, 1.1]])


@pytest.mark.parametrize("name", STEPPING)
def test_a_wrong_gradient_of_a_function_that_steps_by_itself_is_found(name):
    function, gradient, x = STEPPING[name]
    assert_gradients(function, gradient, x)
    for factor, offset in ((1.0, 1.0), (2.0, 0.1)):
        with pytest.raises(AssertionError):
            assert_gradients(function, lambda x, *c, f=factor, o=offset: f * gradient(x, *c) + o * (c[0].sum() if c else 1), x)


def test_a_wrong_gradient_of_a_tensor_function_that_steps_by_itself_is_found():
    x = torch.tensor([0.3, 1.7, -2.2], dtype=torch.float64)
    with pytest.raises(AssertionError, match="should be 0"):
        assert_gradients(lambda x: x + (x.round() - x).detach(), x)


@pytest.mark.parametrize("times", [1, 2])
def test_a_gradient_of_which_float32_keeps_no_digit_does_not_pass_for_its_own_size(times):
    """tanh of 1e12 (exp(x) - 1) is flat at 1e-8, where float32 takes x for 0 and answers 1e12."""

    def function(x):
        return np.tanh(x.dtype.type(1e12) * (np.exp(x) - 1))

    def gradient(x, cotangent):
        return times * cotangent * (1 - function(x) ** 2) * x.dtype.type(1e12) * np.exp(x)

    with pytest.raises(Inconclusive):
        assert_gradients(function, gradient, np.array([0.6e-8, 1.3e-8, 1.9e-8], dtype=np.float32))


def hides(along, *, results=1, narrow=False):
    """Whether the outputs hide a slope of 1 where 0 was found, seen the same by a coarser arithmetic."""
    seen = Seen(epsilon=2.0**-52, results=results, narrow=narrow)
    return hidden_by_stairs(along, lambda t: (along(t), seen), size=1.0, level=1.0, claimed=1.0, found=0.0)


@pytest.mark.parametrize(("down", "hidden"), [(0.0, False), (0.4, False), (0.5, True), (0.6, True), (0.7, True)])
def test_a_step_that_goes_down_again_beside_it_is_one_of_many_and_no_pole(down, hidden):
    assert hides(lambda t: float(t > 0.75) - down * float(t > 0.75 + 2.0**-14)) == hidden


@pytest.mark.parametrize(("met", "hidden"), [({}, False), ({"narrow": True}, True), ({"results": 0}, True)])
def test_a_step_is_meant_only_where_its_rounding_was_made_coarser(met, hidden):
    """Not where nothing was seen, nor where a narrower type inside rounds on as it did: its stairs stay where they are too."""
    assert hides(lambda t: float(t > 0.75), **met) == hidden


@pytest.mark.parametrize("power", [0.25, 0.5, 1, 2])
def test_a_pole_hides_nothing(power):
    assert not hides(lambda t: abs(t - 0.7512345) ** -power)
