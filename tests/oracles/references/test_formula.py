"""Code that takes float64 too: what its gradient is off by there tells a wrong formula from rounding inside, where bfloat16 does not."""

import pytest
import torch

from verifier import assert_gradients
from verifier.errors import Inconclusive

X = torch.randn(24, 40, generator=torch.Generator().manual_seed(1)).bfloat16()
SAID = {"shapes": ("N D",), "sizes": {"N": 24, "D": 40}, "seed": 0, "draws": 3}


def plain(x):
    return torch.logsumexp(x, -1)


class LogSumExp(torch.autograd.Function):
    factor = 1.0

    @classmethod
    def forward(cls, ctx, x):
        ctx.save_for_backward(x)
        return plain(x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)

    @classmethod
    def backward(cls, ctx, cotangent):
        (x,) = ctx.saved_tensors
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return (cls.factor * cls.kept(torch.softmax(wide, -1)) * cls.kept(cotangent).to(wide.dtype)[..., None]).to(x.dtype)

    @staticmethod
    def kept(tensor):
        return tensor


class OffByHalfAPercent(LogSumExp):
    factor = 0.995


class KeptInBfloat16(LogSumExp):
    @staticmethod
    def kept(tensor):
        return tensor.bfloat16().to(tensor)


class OfBfloat16Alone(OffByHalfAPercent):
    @classmethod
    def forward(cls, ctx, x):
        if x.dtype is not torch.bfloat16:
            raise TypeError("no kernel for it")
        return super().forward(ctx, x)


def test_a_formula_that_is_off_in_float64_is_not_passed_where_bfloat16_does_not_show_it():
    with pytest.raises(Inconclusive, match=r"in float64 the gradient that the same code gives is off by 0\.005 of its size"):
        assert_gradients(OffByHalfAPercent.apply, X, reference=plain, **SAID)


@pytest.mark.parametrize("candidate", [LogSumExp, KeptInBfloat16])
def test_code_that_rounds_to_bfloat16_inside_is_right_in_bfloat16(candidate):
    assert_gradients(candidate.apply, X, reference=plain, **SAID)


def test_a_bias_gradient_summed_in_bfloat16_inside_is_no_wrong_formula():
    """It does not depend on the inputs, so that its error would stay where they alone are moved."""

    class Biased(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, bias):
            return 0.3 * (x + bias)

        @staticmethod
        def backward(ctx, cotangent):
            pulled = (0.3 * cotangent).bfloat16().to(cotangent)
            return pulled, pulled.sum(0)

    bias = torch.randn(40, generator=torch.Generator().manual_seed(2)).bfloat16()
    said = {**SAID, "shapes": ("N D", "D")}
    assert_gradients(Biased.apply, X, bias, reference=lambda x, bias: 0.3 * (x + bias), **said)


def test_a_kernel_of_the_narrow_type_alone_is_judged_by_its_rounding():
    """Half a percent is about one rounding: nothing can tell them apart here."""
    assert_gradients(OfBfloat16Alone.apply, X, reference=plain, **SAID)
