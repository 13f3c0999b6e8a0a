"""`assert_gradients` accuses what is wrong, passes what is right, and says when it cannot tell."""

import contextlib
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from verifier import assert_gradients
from verifier.errors import Inconclusive
from verifier.oracles.functions import differencing

RANDOM = np.random.default_rng(20261124)
X, W = RANDOM.normal(size=(3, 4)), RANDOM.normal(size=(4, 2))


def layer(x, w):
    return np.tanh(x @ w)


def layer_vjp(x, w, cotangent):
    delta = cotangent * (1 - np.tanh(x @ w) ** 2)
    return delta @ w.T, x.T @ delta


def loss(x, w):
    return float(np.sum(layer(x, w) ** 2))


def loss_gradient(x, w):
    return layer_vjp(x, w, 2 * layer(x, w))


def test_a_right_gradient_of_a_number_passes_and_says_how_small_an_error_it_excludes():
    verified = assert_gradients(loss, loss_gradient, X, W)
    assert max(verified.resolves.values()) < 1e-7
    assert set(verified.resolves) == {"x", "w"}


def test_a_right_gradient_of_an_array_passes_for_the_cotangent_that_it_is_given():
    assert_gradients(layer, layer_vjp, X, W)


def test_a_tuple_of_outputs_is_given_a_tuple_of_cotangents():
    assert_gradients(lambda x: (np.sin(x), x**2), lambda x, cotangents: cotangents[0] * np.cos(x) + cotangents[1] * 2 * x, X)
    with pytest.raises(AssertionError, match=r"gradient of x"):
        assert_gradients(lambda x: (np.sin(x), x**2), lambda x, cotangents: cotangents[0] * np.cos(x), X)


def test_a_wrong_gradient_is_told_with_input_element_both_numbers_and_tolerance():
    def wrong(x, w):
        of_x, of_w = loss_gradient(x, w)
        of_w = of_w.copy()
        of_w[2, 1] *= 2
        return of_x, of_w

    right = loss_gradient(X, W)[1][2, 1]
    with pytest.raises(AssertionError) as caught:
        assert_gradients(loss, wrong, X, W)
    text = str(caught.value)
    assert f"w[2, 1] = {2 * right:.6g}, should be {right:.6g} (claimed / right = 2)" in text
    assert "tolerance" in text
    assert "x[" not in text


@pytest.mark.parametrize("delta", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("shape", [(1,), (5,), (40, 50)])
def test_one_element_that_is_off_is_found_however_many_there_are(shape, delta):
    x = np.random.default_rng(1).normal(size=shape)

    def wrong(x):
        gradient = np.cos(x)
        gradient[(0,) * x.ndim] *= 1 + delta
        return gradient

    assert_gradients(lambda x: float(np.sin(x).sum()), np.cos, x)
    with pytest.raises(AssertionError, match=r"x\[0"):
        assert_gradients(lambda x: float(np.sin(x).sum()), wrong, x)


def test_the_number_of_evaluations_does_not_grow_with_the_number_of_elements():
    def asked(size):
        x = np.random.default_rng(0).normal(size=size)
        return assert_gradients(lambda x: float(np.tanh(x).sum()), lambda x: 1 - np.tanh(x) ** 2, x).evaluations

    assert asked(10_000) <= asked(10) + 20


def test_a_gradient_that_cancels_in_the_sum_is_found():
    # Their sum is right: a cotangent of ones would see nothing.
    with pytest.raises(AssertionError):
        assert_gradients(lambda x: 2 * x, lambda x, cotangent: 2 * np.flip(cotangent), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_narrow_type_is_differenced_in_float64(dtype):
    x, w = X.astype(dtype), W.astype(dtype)
    assert assert_gradients(layer, layer_vjp, x, w).resolves["w"] < 256 * np.finfo(dtype).eps
    with pytest.raises(AssertionError, match="w"):
        assert_gradients(layer, lambda x, w, c: (layer_vjp(x, w, c)[0], layer_vjp(x, w, c)[1] * dtype(1.001)), x, w)


def test_float32_code_that_takes_nothing_else_is_held_to_coarse_differences():
    def squares(x):
        return np.float32(np.sum(x.astype(np.float32) ** 2))

    assert_gradients(squares, lambda x: 2 * x.astype(np.float32), X.astype(np.float32))
    with pytest.raises(AssertionError):
        assert_gradients(squares, lambda x: x.astype(np.float32), X.astype(np.float32))


def test_a_gradient_right_in_float64_and_wrong_in_float32_is_found():
    def wrong_constant(x):
        slope = np.cos(x)
        return slope if x.dtype == np.float64 else slope * np.float32(1.001)

    with pytest.raises(AssertionError, match="float64"):
        assert_gradients(lambda x: np.sum(np.sin(x)), wrong_constant, X.astype(np.float32))


def test_a_function_that_writes_into_its_inputs_is_refused_and_the_users_arrays_stay():
    def in_place(x):
        x *= 2
        return float(np.sum(x))

    mine = X.copy()
    with pytest.raises(AssertionError, match="changes x"):
        assert_gradients(in_place, lambda x: np.full(x.shape, 2.0), mine)
    assert mine.tobytes() == X.tobytes()


def test_a_gradient_that_writes_into_its_cotangent_is_refused():
    def masked(x, cotangent):
        cotangent[x <= 0] = 0
        return cotangent

    with pytest.raises(AssertionError, match="cotangent"):
        assert_gradients(lambda x: np.maximum(x, 0), masked, X)


def test_a_gradient_that_accumulates_is_found_by_its_second_call():
    kept = np.zeros(X.shape)

    def accumulated(x):
        kept.__iadd__(np.cos(x))
        return kept.copy()

    with pytest.raises(AssertionError, match="second time"):
        assert_gradients(lambda x: np.sum(np.sin(x)), accumulated, X)


class SumInAnyOrder(torch.autograd.Function):
    """Its gradient is a sum whose order is another at each call, as atomics have it."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, cotangent):
        x, w = ctx.saved_tensors
        total = torch.zeros_like(w)
        for row in torch.randperm(len(x)).tolist():
            total = total + cotangent[row] * x[row]
        return cotangent * w, total


def test_last_bits_that_vary_from_call_to_call_are_a_note(monkeypatch):
    examples = torch.randn(60, 3, generator=torch.Generator().manual_seed(1)), torch.ones(3)
    monkeypatch.setattr("verifier.oracles.torch_functions.same_randomness", lambda gpus: contextlib.nullcontext())
    assert "not reproducible to the bit" in assert_gradients(SumInAnyOrder.apply, *examples).notes[0]


def test_a_gradient_whose_type_overflows_at_64_times_the_cotangent_is_right():
    x, large = np.array([1.5, -4.0, 3.0], dtype=np.float32), np.float32(1e37)  # 64 times 8e37 is no number of float32

    def slope(x, cotangent):
        with np.errstate(over="ignore"):
            return 2 * large * x * cotangent

    assert_gradients(lambda x: large * x * x, slope, x)
    with pytest.raises(AssertionError, match="twice"):
        assert_gradients(lambda x: large * x * x, lambda x, cotangent: 2 * slope(x, cotangent), x)


def test_a_clipped_gradient_is_found_although_it_is_small_enough_here():
    def clipped(x, cotangent):
        return np.clip(cotangent * np.cos(x), -5, 5)

    with pytest.raises(AssertionError, match="clipped"):
        assert_gradients(np.sin, clipped, X)


def test_none_counts_as_zero():
    with pytest.raises(AssertionError, match="None"):
        assert_gradients(loss, lambda x, w: (loss_gradient(x, w)[0], None), X, W)


def test_an_input_without_effect_may_have_a_gradient_of_zero():
    assert_gradients(lambda x, w: float(np.sum(x**2)), lambda x, w: (2 * x, np.zeros(w.shape)), X, W)


@pytest.mark.parametrize(
    ("gradient", "words"),
    [
        (lambda x, w: (loss_gradient(x, w)[0], loss_gradient(x, w)[1].T), "has shape (2, 4); right is (4, 2)"),
        (lambda x, w: loss_gradient(x, w)[0], "returns 1 arrays; right is 2"),
    ],
)
def test_a_gradient_of_another_form_says_what_is_right(gradient, words):
    with pytest.raises(AssertionError) as caught:
        assert_gradients(loss, gradient, X, W)
    assert words in str(caught.value)


@pytest.mark.parametrize("arguments", [([X, W],), ({"x": X},), (np.arange(3),), ()])
def test_a_call_that_makes_no_sense_is_a_type_error(arguments):
    with pytest.raises(TypeError):
        assert_gradients(loss, loss_gradient, *arguments)


@pytest.mark.parametrize(
    ("function", "gradient", "x"),
    [
        (np.abs, lambda x, c: c * np.sign(x), np.zeros(3)),
        (lambda x: np.sum(x) + np.random.default_rng().normal(), np.ones_like, X),
        (lambda x: np.sum(np.sqrt(x)), lambda x: 1 / (2 * np.sqrt(x)), np.array([0.0, 1.0])),
    ],
    ids=["kink", "noise", "pole"],
)
def test_what_cannot_be_decided_says_so(function, gradient, x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(Inconclusive, match="undecided about"):
            assert_gradients(function, gradient, x)


@pytest.mark.parametrize("offset", [1e15, 1e17, 1e30])
def test_zeros_beside_an_offset_whose_rounding_hides_the_slope_are_undecided(offset, monkeypatch):
    call = (lambda x: offset + np.sum(x**2), lambda x: 0 * x, X)
    with pytest.raises(Inconclusive, match="undecided about"):
        assert_gradients(*call)
    monkeypatch.setattr(differencing, "size_seen", lambda level, far, center, rounding, otherwise: level(center))
    assert_gradients(*call)


def test_zeros_beside_another_output_whose_rounding_hides_the_slope_are_undecided():
    with pytest.raises(Inconclusive, match="undecided about"):
        assert_gradients(lambda x: np.concatenate([x**2, 1e17 + 0 * x]), lambda x, c: 0 * x, X)


@pytest.mark.parametrize("constant", [lambda x: 5.0 + 0 * x, lambda x: (np.exp(x) / np.exp(x).sum()).sum()], ids=["5", "sum of softmax"])
def test_zeros_for_what_is_constant_to_within_rounding_pass(constant):
    assert_gradients(constant, lambda x, *c: 0 * x, X)


def test_the_same_call_gives_the_same_figures():
    assert assert_gradients(loss, loss_gradient, X, W) == assert_gradients(loss, loss_gradient, X, W)


@settings(max_examples=10, suppress_health_check=[HealthCheck.filter_too_much])  # most drawn arrays hold a zero, which is the kink
@given(arrays(np.float64, (2, 3), elements=st.floats(-3, 3)))
def test_it_stands_below_given_and_rejects_points_on_a_kink(x):
    assert_gradients(lambda x: np.maximum(x, 0), lambda x, c: c * (x > 0), x)


def test_below_given_a_wrong_gradient_is_still_found():
    @settings(database=None, derandomize=True)
    @given(arrays(np.float64, (2, 3), elements=st.floats(-3, 3)))
    def wrong(x):
        assert_gradients(lambda x: np.maximum(x, 0), lambda x, c: c, x)

    with pytest.raises(AssertionError, match="should be"):
        wrong()


class Scaled(torch.autograd.Function):
    """x · e^w, its backward pass as `of_w` says."""

    @staticmethod
    def forward(ctx, x, w, of_w):
        ctx.save_for_backward(x, w)
        ctx.of_w = of_w
        return x * w.exp()

    @staticmethod
    def backward(ctx, cotangent):
        x, w = ctx.saved_tensors
        return cotangent * w.exp(), ctx.of_w(x, w, cotangent), None


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_custom_function_is_judged_in_every_type(dtype):
    x, w = torch.tensor(X, dtype=dtype), torch.tensor(X + 1, dtype=dtype)
    assert_gradients(Scaled.apply, x, w, lambda x, w, c: c * x * w.exp())
    with pytest.raises(AssertionError, match=r"gradient of w is not that of the function: w\[.*claimed / right = 0.5"):
        assert_gradients(Scaled.apply, x, w, lambda x, w, c: c * x * w.exp() / 2)


def test_no_gradient_from_backward_counts_as_zero():
    with pytest.raises(AssertionError, match=r"gradient of w .* \(None\)"):
        assert_gradients(Scaled.apply, torch.tensor(X), torch.tensor(X), lambda x, w, c: None)


def test_backward_may_not_write_into_its_cotangent():
    with pytest.raises(AssertionError, match="cotangent"):
        assert_gradients(Scaled.apply, torch.tensor(X), torch.tensor(X), lambda x, w, c: c.mul_(x).mul_(w.exp()))


def test_only_tensors_that_require_a_gradient_are_asked_about_where_there_are_some():
    x, y = torch.tensor(X, requires_grad=True), torch.tensor(X)
    assert set(assert_gradients(lambda x, y: ((x - y.detach()) ** 2).sum(), x, y).resolves) == {"x"}


def test_a_module_is_judged_with_its_parameters_and_left_as_it_was():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Dropout(), torch.nn.Tanh())
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    verified = assert_gradients(module, torch.tensor(X, dtype=torch.float32))
    assert {"input", "0.weight", "1.bias"} <= set(verified.resolves)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_the_users_random_numbers_go_on_as_if_nothing_had_been_asked():
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    assert_gradients(torch.nn.functional.dropout, torch.tensor(X))
    assert torch.equal(torch.rand(1), wanted)


def test_a_reference_finds_a_forward_pass_that_is_another_function():
    assert_gradients(lambda x: np.exp(x), lambda x, c: c * np.exp(x), X, reference=torch.exp)
    with pytest.raises(AssertionError, match=r"output 0.*reference"):
        assert_gradients(lambda x: 1.01 * np.exp(x), lambda x, c: 1.01 * c * np.exp(x), X, reference=torch.exp)


def test_a_reference_finds_an_error_far_below_what_differences_see():
    # Before NumPy 2.4 its functions do not tell how their parameters are called.
    with pytest.raises(AssertionError, match=r"gradient of (x|input 0).*reference"):
        assert_gradients(np.exp, lambda x, c: c * np.exp(x) * (1 + 1e-12), X, reference=torch.exp)


def test_a_reference_decides_where_differences_cannot():
    zeros = np.zeros(3)
    with pytest.raises(AssertionError, match="reference"):
        assert_gradients(lambda x: np.maximum(x, 0), lambda x, c: c * 1.7, zeros, reference=torch.relu)


def test_the_plain_form_loads_neither_torch_nor_hypothesis():
    code = (
        "import numpy as np, sys, verifier\n"
        "verifier.assert_gradients(lambda x: float(np.sum(np.sin(x))), np.cos, np.ones(3))\n"
        "assert not {'torch', 'hypothesis'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def cancel(x):
    return torch.exp(x) - 1 - x


OF_SINES = [[-1.0, -2, 0, 0, 0, -2], [0, 1, -1, 0, 1, 2], [-1, 0, 0, 0, 0, 1], [0, -1, 1, 0, 1, -2], [0, 1, 0, 0, -1, 0]]
POLES = [
    [1.211235716158246e-06, 4.935052468556911e-07],
    [1.3747363839310661e-06, -1.4504716681895953e-06],
    [8.898636398381078e-07, -9.451368662761024e-07],
    [1.057027644104161e-06, -1.034447047351292e-06],
    [-2.4192630724691814e-07, 9.750360052389146e-07],
    [7.786805563946711e-07, 1.0657871852345822e-06],
    [1.820756203046999e-06, 1.7557408752349944e-06],
]
HOSTILE = {
    "a saw of rounding": (lambda x: cancel(1e-13 * x * x), torch.linspace(0.1, 2, 6, dtype=torch.float64)),
    "a constant whose gradient is rounding": (lambda x: torch.softmax(30 * x, -1).sum(), torch.tensor(X)),
    "a norm that is always 1": (lambda x: (x / x.norm()).square().sum(), torch.tensor(100 * X)),
    "no digits left in float32": (lambda x: 1 / cancel(x), torch.tensor(1e-6 * np.abs(X) + 1e-6, dtype=torch.float32)),
    "float32 inside": (lambda x: torch.tanh((4 * x).float()).double().sum(), torch.tensor(X)),
    "zero by cancellation": (torch.nn.functional.gelu, torch.full((3,), -9.0, dtype=torch.float64)),
    "a fast sine": (lambda x: torch.sin(1e5 * x).sum() * 1e-17, torch.tensor(X)),
    "a sine of 2e17": (
        lambda x: ((1 / torch.sin(1 / torch.sigmoid(20 * x))) @ torch.tensor(OF_SINES).double()).square().sum(),
        torch.tensor([[-2.0, 0, 1, -1, 0], [-1, 0, -1, 2, 0], [0, -1, 0, 0, 1]]).double(),
    ),
    "a sine of a pole": (
        lambda x, w: torch.nn.functional.leaky_relu(torch.sin(30 * ((1 / x.abs() ** 1.7) @ w)), 0.01),
        torch.tensor(POLES, dtype=torch.float64),
        torch.tensor([[-0.2414408766571335], [0.0]], dtype=torch.float64),
    ),
    "sixteenths in float32": (
        lambda x: torch.log(torch.softmax(x + 1e6, -1)).mean(),
        torch.outer(
            torch.tensor([-0.301556, 0.346945, -0.163888]), torch.tensor([0.145617, 0.344409, -0.391408, 1.157397, 0.988794, 0.071527])
        ),
    ),
    "sixteenths in part of float32": (
        lambda x, w: torch.softmax(torch.softmax(torch.softmax(x + 1e6, -1), -1), -1) @ w,
        torch.tensor(np.tile(X, (2, 2))[:3, :6], dtype=torch.float32),
        torch.tensor(np.tile(W, (2, 1))[:6], dtype=torch.float32),
    ),
    "a bound at 1 in float32": (
        lambda x, w: torch.sin(30 * torch.exp(x @ w).clamp(-1, 1)),
        torch.tensor([[4.407401e-07], [-6.666737e-07], [-4.015387e-07]]),
        torch.tensor([[-0.1190959, 4.767662e-04, 79.44043]]),
    ),
    "a pole nearby": (lambda x: torch.sqrt(x).log(), torch.tensor([1e-9, 1.0, 1e9], dtype=torch.float64)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_right_code_is_not_accused_however_hostile_the_function_is(name):
    function, *inputs = HOSTILE[name]
    with contextlib.suppress(Inconclusive):
        assert_gradients(function, *inputs)


class ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx, cotangent):
        return ctx.factor * cotangent, None


scale_gradient = ScaledGradient.apply


def not_passed(*call, **said):
    """The message of a failure, or of what was left undecided."""
    with pytest.raises((AssertionError, Inconclusive)) as caught:
        assert_gradients(*call, **said)
    return str(caught.value)


@pytest.mark.parametrize(
    ("function", "gradient", "x"),
    [
        (lambda x: math.log(x[0]) + x[1] ** 2, lambda x: np.array([1 / x[0], 2 * x[1]]), np.array([0.5, 2.0])),
        (lambda x: math.sqrt(1 - x[0] ** 2), lambda x: np.array([-x[0] / math.sqrt(1 - x[0] ** 2)]), np.array([0.9])),
        (lambda x: np.log(x).sum(), lambda x: 1 / x, np.array([0.5, 2.0, 3.0])),
        (lambda x: np.floor(x) * x, lambda x, c: c * np.floor(x), np.array([0.5, 1.5, 2.5])),
        (lambda x: np.round(x).sum(), np.zeros_like, np.array([0.3, 1.2, -2.4])),
        (lambda x: x.prod(), lambda x: np.array([0.0, -3.0, 0.0]), np.array([1.5, 0.0, -2.0])),
        (lambda x: np.exp(x) - 1 - x, lambda x, c: c * np.expm1(x), np.array([5e-4, 2e-3, 3e-3])),
    ],
    ids=["log", "edge", "log of arrays", "jumps elsewhere", "constant", "product with a zero", "cancelled"],
)
def test_a_right_gradient_passes_beside_the_edge_of_a_domain_between_jumps_and_where_nothing_moves(function, gradient, x):
    assert_gradients(function, gradient, x)
    with pytest.raises(AssertionError):
        assert_gradients(function, lambda *given: 1.01 * gradient(*given) + 1e-1, x)


def test_an_input_without_elements_or_effect_passes_with_zeros():
    found = assert_gradients(lambda x, y: (x * x).sum() + y.sum(), lambda x, y: (2 * x, np.ones(0)), X, np.zeros(0))
    assert found.resolves["y"] == 0
    dead = assert_gradients(lambda w, x: np.maximum(w - 100, 0).sum() + (x * x).sum(), lambda w, x: (0 * w, 2 * x), W, X)
    assert dead.resolves["w"] <= 0.01


def test_a_gradient_that_is_not_finite_where_the_function_has_a_slope_fails_with_the_cure():
    def safe_sqrt(x):
        return torch.where(x > 0, torch.sqrt(x), torch.zeros_like(x)).sum()

    message = not_passed(safe_sqrt, torch.tensor([-1.0, 4.0], dtype=torch.float64))
    assert "x[0] = nan, should be 0" in message and "where" in message and "sqrt" in message


def test_a_gradient_that_is_rightly_infinite_is_undecided():
    with pytest.raises(Inconclusive):
        assert_gradients(torch.sqrt, torch.tensor([0.0, 1.0], dtype=torch.float64))


def test_an_input_that_holds_nan_is_not_said_to_be_changed_and_its_finite_elements_are_judged():
    x = np.array([1.5, np.nan, 3.0])

    def masked(x):
        return np.where(np.isnan(x), 0.0, (x - 1) ** 2).sum()

    assert_gradients(masked, lambda x: 2 * (x - 1), x)
    assert "x[2]" in not_passed(masked, lambda x: np.array([1.0, np.nan, 5.0]), x)


@pytest.mark.parametrize("scale", [1e155, 1e160, 1e-5])
def test_a_wrong_gradient_of_huge_or_small_inputs_never_passes(scale):
    x = scale * np.array([1.0, -2.0])
    assert_gradients(lambda x: (2 * x).sum() / scale, lambda x: np.full_like(x, 2 / scale), x)
    not_passed(lambda x: (2 * x).sum() / scale, lambda x: np.full_like(x, 3 / scale), x)


@pytest.mark.parametrize("factor", [2.0, -1.0])
def test_a_gradient_below_the_last_digits_of_the_outputs_is_undecided_and_not_zero(factor):
    not_passed(lambda x: 1e15 + x.sum(), lambda x: factor * np.ones(x.shape), np.array([1.5, -0.3, 0.7]))


@pytest.mark.parametrize("name", ["a sine of 2e17", "sixteenths in float32", "a bound at 1 in float32"])
def test_a_wrong_gradient_never_passes_where_rounding_hides_the_right_one(name):
    function, *inputs = HOSTILE[name]

    def doubled(*inputs):
        return scale_gradient(function(*inputs), 2.0)

    not_passed(doubled, *inputs)


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.0])
def test_a_float32_gradient_for_which_zeros_would_pass_is_undecided_yet_its_formula_is_judged(factor):
    small = 1e-6 * np.array([1.5, -2.0, 0.7], dtype=np.float32)

    def only_in_float32(x):
        return 2 * x * (factor if x.dtype == np.float32 else 1)

    with pytest.raises(Inconclusive, match="zeros would pass"):
        assert_gradients(lambda x: (x * x).sum(), only_in_float32, small)
    if factor != 1:
        with pytest.raises(AssertionError, match="the gradient of x is not that of the function"):
            assert_gradients(lambda x: (x * x).sum(), lambda x: factor * 2 * x, small)


def test_a_float32_gradient_is_judged_where_one_element_of_it_is_larger_than_rounding():
    x = np.array([1e-6, -2e-6, 1.0], dtype=np.float32)
    assert_gradients(lambda x: (x * x).sum(), lambda x: 2 * x, x)
    assert "element [2] = 1 departs" in not_passed(lambda x: (x * x).sum(), lambda x: 2 * x * (0.5 if x.dtype == np.float32 else 1), x)


def test_a_gradient_larger_than_the_stairs_of_its_type_is_judged():
    """x² + 1e4 in float32 moves in steps of 1e-3, and its slope of 2x is exact."""
    x = torch.tensor([1.5, -2.0, 0.7])
    assert "x" in not_passed(lambda x: (x * x).sum() + 1e4, lambda x: 4 * x, x)


@pytest.mark.parametrize("factor", [0.0, 2.0, -1.0])
def test_a_wrong_gradient_on_the_stairs_beside_a_large_number_never_passes(factor):
    """Each tread is flat: over a short step the slope is 0, for this gradient as for any other."""
    w = 1e-6 * np.array([[1.0, -2.0], [0.3, 0.7]])

    def on_stairs(x):
        return np.sin(1 / (1 + np.exp(-20 * x)) @ w + 1e6)

    def gradient(x, cotangent):
        a = 1 / (1 + np.exp(-20 * x))
        return factor * 20 * a * (1 - a) * ((cotangent * np.cos(a @ w + 1e6)) @ w.T)

    not_passed(on_stairs, gradient, np.array([[0.4, -0.2], [0.1, 0.6], [1.5, 0.3]]))


class ReadsMemory(torch.autograd.Function):
    """2 x, its backward pass blind to the cotangent's strides."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, cotangent):
        return 2 * torch.as_strided(cotangent, cotangent.shape, (cotangent.shape[1], 1)) if 0 not in cotangent.stride() else 2 * cotangent


def test_a_backward_pass_that_takes_its_cotangent_for_contiguous_is_found():
    assert "strides" in not_passed(ReadsMemory.apply, torch.tensor(X))
    assert_gradients(lambda x: 2 * x, torch.tensor(X))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda g: 2 * g, "twice the right one"),
        (lambda g: -g, "wrong sign"),
        (lambda g: g / g.size, "1/(the number of elements of x)"),
        (lambda g: 0 * g, "0 everywhere"),
        (lambda g: np.concatenate([0 * g[:-1], g[-1:]]), "Only the last row"),
    ],
)
def test_a_failure_says_how_the_wrong_gradient_relates_to_the_right_one(wrong, words):
    x = np.random.default_rng(5).normal(size=(3, 3))
    message = not_passed(lambda x: (x**3).sum(), lambda x: wrong(3 * x**2), x)
    assert words in message


def test_two_numbers_in_a_message_are_told_apart():
    message = not_passed(lambda x: (x**3).sum(), lambda x: 3 * x * x * (1 + 1e-7), np.array([3.0]))
    assert "= 27.0000027, should be 27" in message


def test_arrays_in_dictionaries_and_lists_keep_their_names():
    parameters = {"W": X, "layers": [W, np.ones(2)]}

    def of(p):
        return (p["W"] ** 2).sum() + np.sin(p["layers"][0]).sum() + p["layers"][1].sum()

    def right(p):
        return {"W": 2 * p["W"], "layers": [np.cos(p["layers"][0]), np.ones(2)]}

    assert set(assert_gradients(of, right, parameters).resolves) == {"p['W']", "p['layers'][0]", "p['layers'][1]"}
    wrong = {"W": lambda p: {**right(p), "layers": [2 * np.cos(p["layers"][0]), np.ones(2)]}}["W"]
    assert "p['layers'][0]" in not_passed(of, wrong, parameters)


def test_what_a_star_takes_has_a_name():
    assert set(assert_gradients(lambda *w: sum((a**2).sum() for a in w), lambda *w: tuple(2 * a for a in w), X, W).resolves) == {
        "w[0]",
        "w[1]",
    }


def test_complex_numbers_are_judged_by_real_and_imaginary_part():
    z = np.array([1 + 2j, -0.5j])
    assert_gradients(lambda z: (z * z.conj()).real.sum(), lambda z: 2 * z, z)
    assert ".imag" in not_passed(lambda z: (z * z.conj()).real.sum(), lambda z: 2 * z.conj(), z)
    assert_gradients(lambda z: torch.exp(z), torch.tensor(z))


def test_another_form_of_call_is_told_how():
    with pytest.raises(TypeError, match="value, gradient"):
        assert_gradients(lambda x: ((x**2).sum(), 2 * x), X)
    with pytest.raises(TypeError, match=r"cotangent \* derivative"):
        assert_gradients(np.sin, lambda x: np.cos(x), X)


def test_a_kink_is_named_with_both_slopes_and_a_point_beside():
    message = not_passed(lambda x: np.maximum(x, 0).sum(), lambda x: (x > 0) * 1.0, np.array([1.0, 0.0]))
    assert "x[1] = 0 is on a kink: the slope is 0 to the left and 1 to the right" in message


def test_a_gradient_that_is_meant_to_be_another_one_can_be_declared():
    x = torch.tensor([0.3, 1.7, -2.2], dtype=torch.float64)

    class Straight(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, cotangent):
            return cotangent

    assert_gradients(Straight.apply, x, instead_of=lambda x: 1 * x, draws=5)
    with pytest.raises(AssertionError):
        assert_gradients(Straight.apply, x, instead_of=lambda x: 2 * x, draws=5)
    row = np.array([[True, True], [False, False]])
    assert_gradients(lambda w: (w**2).sum(), lambda w: np.where(row, 0.0, 2 * w), W[:2], zero_at={"w": row})
    not_passed(lambda w: (w**2).sum(), lambda w: 2 * w, W[:2], zero_at={"w": row})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_branch_by_type_that_is_wrong_is_found(dtype):
    class Silu(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            s = torch.sigmoid(x)
            return g * s if x.dtype == dtype else g * (s + x * s * (1 - s))

    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    not_passed(Silu.apply, x)
    if dtype == torch.float32:
        not_passed(Silu.apply, x, reference=torch.nn.functional.silu)


def test_a_backward_pass_that_hands_its_cotangent_to_pytorch_meets_no_warning():
    def backward(x, cotangent):
        return (torch.as_tensor(cotangent) * (torch.as_tensor(x) > 0)).numpy()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_gradients(lambda x: np.maximum(x, 0), backward, np.array([0.3, -0.7, 1.2]))
