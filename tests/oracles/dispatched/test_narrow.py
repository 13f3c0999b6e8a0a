"""bfloat16 and float16: right code is right in its precision, told another's, and wrong code is wrong."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from verifier.oracles.dispatched.narrow.judging import Yardsticks, judge_against, judge_narrow
from verifier.oracles.dispatched.narrow.statistics import yardstick
from verifier.oracles.dispatched.narrow.stores import Grid, Precision
from verifier.oracles.dispatched.running import Given

TYPES = [torch.bfloat16, torch.float16]


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def swiglu(x, a, b):
    return functional.silu(x @ a) * (x @ b)


def softmax(x):
    return torch.softmax(x, -1)


def answers(function, inputs, cotangent, *, inside=None):
    """Output and gradients in the inputs' type; `inside` is the type that they are computed in."""
    leaves = [x.detach().to(inside or x.dtype).requires_grad_() for x in inputs]
    output = function(*leaves)
    found = torch.autograd.grad(output, leaves, cotangent.to(output.dtype))
    names = [f"x{i}" for i in range(len(inputs))]
    return {name: value.detach().to(inputs[0].dtype) for name, value in zip(["output", *names], [output, *found], strict=True)}


def judged(function, inputs, cotangent, claimed, precision):
    tensors = {f"x{i}": x for i, x in enumerate(inputs)}
    call = lambda at: function(*at.values())  # noqa: E731
    return judge_narrow(call, tensors, [cotangent], claimed, differentiate=list(tensors), dtype=inputs[0].dtype, precision=precision)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("inside", [torch.float32, None], ids=["kernel", "eager"])
def test_right_code_is_right_in_the_precision_that_it_was_computed_in(dtype, inside):
    inputs = [normal(20, 24, dtype=dtype), normal(24, 11, seed=1, dtype=dtype), normal(24, 11, seed=2, dtype=dtype)]
    cotangent = normal(20, 11, seed=3, dtype=dtype)
    claimed = answers(swiglu, inputs, cotangent, inside=inside)
    found = judged(swiglu, inputs, cotangent, claimed, "kernel" if inside else "eager")
    assert {name: outcome.status for name, outcome in found.items()} == dict.fromkeys(claimed, "right")


def test_eager_code_declared_as_a_kernel_is_told_its_precision_and_never_wrong():
    inputs, cotangent = [normal(24, 40, dtype=torch.bfloat16)], normal(24, 40, seed=1, dtype=torch.bfloat16)
    found = judged(softmax, inputs, cotangent, answers(softmax, inputs, cotangent), "kernel")["x0"]
    assert (found.status, found.fits) == ("other precision", Precision.EAGER)
    assert "not in the precision declared (kernel): its error is that of eager" in found.says


def test_sums_kept_in_the_narrow_type_are_told():
    inputs = [normal(8, 500, dtype=torch.bfloat16)]
    cotangent = normal(8, seed=1, dtype=torch.bfloat16)
    total = torch.zeros(8, dtype=torch.bfloat16)
    for column in inputs[0].T:
        total = total + column
    found = judged(lambda x: x.sum(-1), inputs, cotangent, {"output": total}, None)["output"]
    assert (found.status, found.fits) == ("other precision", Precision.ACCUMULATE)
    assert "accumulates in bfloat16" in found.says


FAULTS = {
    "zero": lambda g: g * 0,
    "sign": lambda g: -g,
    "half": lambda g: g / 2,
    "a factor of 0.98": lambda g: g.float() * 0.98,
    "a factor of 0.995": lambda g: g.float() * 0.995,
    "last row": lambda g: torch.cat([g[:-1], g[-1:] * 0]),
    "a row times 0.9": lambda g: torch.cat([g[:1].float() * 0.9, g[1:].float()]),
    "rows shifted": lambda g: g.roll(1, 0),
    "last tile": lambda g: torch.cat([g[:, :-8], g[:, -8:] * 0], 1),
    "not a number": lambda g: g * float("nan"),
}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_gradient_is_wrong_or_at_least_not_right(fault, dtype):
    inputs = [normal(24, 40, dtype=dtype)]
    cotangent = normal(24, 40, seed=1, dtype=dtype)
    right = answers(softmax, inputs, cotangent, inside=torch.float32)["x0"]
    found = judged(softmax, inputs, cotangent, {"x0": FAULTS[fault](right).to(dtype)}, "kernel")["x0"]
    assert found.status == ("other precision" if "0.995" in fault and dtype is torch.bfloat16 else "wrong")
    assert found.ratio > 1 or found.fits is not Precision.KERNEL


def test_a_single_wrong_element_beside_a_large_one_is_seen():
    # The gradient of a cross-entropy: one large entry and a thousand small ones.
    inputs = [normal(4, 1000, dtype=torch.float16)]
    cotangent = torch.ones((), dtype=torch.float16)

    def loss(x):
        return functional.cross_entropy(x, torch.arange(4))

    right = answers(loss, inputs, cotangent, inside=torch.float32)["x0"]
    wrong = right.clone()
    wrong[2, 500] *= 2
    assert judged(loss, inputs, cotangent, {"x0": right}, "kernel")["x0"].status == "right"
    assert judged(loss, inputs, cotangent, {"x0": wrong}, "kernel")["x0"].status == "wrong"


def test_uniform_tokens_summed_in_bfloat16_are_not_right():
    bias, x = torch.zeros(5, dtype=torch.bfloat16), torch.zeros(600, 5, dtype=torch.bfloat16)
    cotangent = torch.full((600, 5), 0.37, dtype=torch.bfloat16)
    total = torch.zeros(5, dtype=torch.bfloat16)
    for row in cotangent:
        total = total + row  # it stands still where a token is below half an ulp of the sum
    yardsticks = Yardsticks(Given(lambda at: at["x"] + at["b"], {"x": x, "b": bias}, [cotangent], ("b",)), torch.bfloat16)
    assert judge_against(yardsticks, "b", total, Precision.EAGER).status == "wrong"
    assert judge_against(yardsticks, "b", cotangent.float().sum(0).bfloat16(), Precision.KERNEL).status == "right"


def test_an_output_kept_in_float32_is_held_to_float32():
    inputs = [normal(6, 9, dtype=torch.bfloat16)]
    right = {"output": functional.cross_entropy(inputs[0].float(), torch.arange(6))}

    def loss(x):
        return functional.cross_entropy(x, torch.arange(6))

    assert judged(loss, inputs, torch.ones(()), right, "kernel")["output"].status == "right"
    assert judged(loss, inputs, torch.ones(()), {"output": right["output"].numpy()}, "kernel")["output"].status == "right"
    off = {"output": right["output"] * (1 + 1e-4)}
    assert judged(loss, inputs, torch.ones(()), off, "kernel")["output"].status != "right"


@pytest.mark.parametrize("keep", [torch.round, torch.trunc], ids=["to nearest", "cut"])
def test_float32_fits_products_of_tf32_and_nothing_else(keep):
    x, w, cotangent = normal(33, 130).float(), normal(130, 17, seed=1).float(), normal(33, 17, seed=2).float()

    def tf32(values):
        fraction, exponent = torch.frexp(values)
        return torch.ldexp(keep(fraction * 2**11) / 2**11, exponent)

    def product(a, b):
        return tf32(a) @ tf32(b)

    claimed = {"output": product(x, w), "x": product(cotangent, w.mT), "w": product(x.mT, cotangent)}
    options = {"differentiate": ["x", "w"], "dtype": torch.float32}

    def judged_so(claimed):
        found = judge_narrow(lambda at: at["x"] @ at["w"], {"x": x, "w": w}, [cotangent], claimed, **options)
        return {(outcome.status, outcome.fits) for outcome in found.values()}

    assert judged_so(claimed) == {("right", Precision.OPERANDS)}
    assert judged_so({name: value * 0.995 for name, value in claimed.items()}) == {("wrong", None)}


def test_a_backward_pass_of_tanh_that_computes_in_the_narrow_type_is_eager():
    x, cotangent = normal(40, 60, dtype=torch.bfloat16), normal(40, 60, seed=1, dtype=torch.bfloat16)
    y = torch.tanh(x)
    claimed = {"output": y, "x0": cotangent * (1 - y * y)}
    found = judged(torch.tanh, [x], cotangent, claimed, "eager")
    assert {outcome.status for outcome in found.values()} == {"right"}
    assert judged(torch.tanh, [x], cotangent, {"x0": claimed["x0"] * 0.98}, "eager")["x0"].status == "wrong"


def test_a_shape_of_its_own_is_wrong():
    inputs, cotangent = [normal(6, 9, dtype=torch.bfloat16)], normal(6, 9, seed=1, dtype=torch.bfloat16)
    found = judged(softmax, inputs, cotangent, {"x0": normal(9, 6, dtype=torch.bfloat16)}, None)["x0"]
    assert found.status == "wrong" and "shape (9, 6)" in found.says


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_half_an_ulp_is_what_the_type_says(dtype):
    value = normal(100, dtype=dtype).abs()
    above = torch.nextafter(value, torch.full_like(value, 100.0))
    assert torch.equal(2 * Grid(dtype).half_ulp(value.double()), above.double() - value.double())
    assert torch.equal(Grid(dtype).nearest(normal(100)), normal(100).to(dtype).double())


def test_elements_that_overflow_in_the_type_are_not_judged_and_the_others_are():
    x = torch.tensor([[300.0, 2.0], [1.0, 3.0]], dtype=torch.float16)
    claimed = {"output": x * x}
    assert torch.isinf(claimed["output"]).any()
    assert judged(lambda one: one * one, [x], torch.ones_like(x), claimed, None)["output"].status == "right"
    assert judged(lambda one: one * one, [x], torch.ones_like(x), {"output": x * x * 0.9}, None)["output"].status == "wrong"
    nothing = {"output": torch.full_like(x, float("nan"))}
    assert judged(lambda one: one * one, [x], torch.ones_like(x), nothing, None)["output"].status == "wrong"


def test_statistics_of_exact_copies_ask_for_exactness():
    right = np.zeros((3, 4))
    exact = yardstick(right, [right] * 4, right)
    assert exact.ratio(right)[0] == 0
    assert exact.ratio(right + 1e-9)[0] == np.inf


@pytest.mark.parametrize(("function", "runs"), [(softmax, 3), (lambda x: softmax(x) @ x.mT, 4)], ids=["none", "a product"])
def test_copies_with_narrow_operands_are_run_only_where_a_product_takes_them(function, runs, monkeypatch):
    x = normal(24, 40, dtype=torch.bfloat16)
    cotangent = normal(*function(x).shape, seed=1, dtype=torch.bfloat16)
    asked = []
    own = Yardsticks._run
    monkeypatch.setattr(
        Yardsticks, "_run", lambda self, precision, seed, **more: asked.append(precision) or own(self, precision, seed, **more)
    )
    doubled = {name: 2 * value for name, value in answers(function, [x], cotangent).items()}
    assert judged(function, [x], cotangent, doubled, "eager")["x0"].status == "wrong"
    assert len(asked) == 17 * runs
