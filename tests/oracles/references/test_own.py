"""Code whose own form leaves no digits in its type: not accused where it is right in float64, and not right for being noisy."""

import pytest
import torch

from verifier import assert_gradients
from verifier.errors import Inconclusive
from verifier.oracles.references.asking import Said, prepare

TINY = 1e-8 * torch.randn(2, 3, generator=torch.Generator().manual_seed(0))


def stable(x):
    return 2e12 * torch.sin(x / 2) ** 2


class Cancelling(torch.autograd.Function):
    factor = 1.0

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 1e12 * (1 - torch.cos(x))

    @classmethod
    def backward(cls, ctx, cotangent):
        (x,) = ctx.saved_tensors
        return cls.factor * 1e12 * torch.sin(x) * cotangent


class Doubled(Cancelling):
    factor = 2.0


def test_a_form_without_digits_in_its_type_is_undecided():
    with pytest.raises(Inconclusive, match="the candidate is right in float64 there, and what its own type leaves of it is rounding"):
        assert_gradients(lambda x: 1e12 * (1 - torch.cos(x)), TINY, reference=stable, seed=0, draws=0, time_limit=1)


def test_a_wrong_gradient_is_wrong_where_the_output_has_no_digits():
    with pytest.raises(AssertionError, match="the gradient of x is not the reference's"):
        assert_gradients(Doubled.apply, TINY, reference=stable, seed=0, draws=0)


def test_what_is_wrong_in_the_narrower_type_alone_is_more_than_rounding():
    def plain(x):
        return torch.exp(x) - 1

    with pytest.raises(AssertionError, match="output 0 is not the reference's"):
        assert_gradients(lambda x: plain(x) * (1.0 if x.dtype is torch.float64 else 1.01), TINY.sign(), reference=plain, seed=0, draws=0)


def test_a_wrong_factor_is_seen_in_float64_where_its_own_rounding_would_cover_it():
    """1 - cos x of some 1e-3 is known in float32 to a tenth or so, and 32 times that is more than three times too much."""
    with pytest.raises(AssertionError, match="output 0 is not the reference's"):
        assert_gradients(lambda x: 3e12 * (1 - torch.cos(x)), 1e5 * TINY, reference=stable, seed=0, draws=0)


BFLOAT16 = torch.randn(8, 6, generator=torch.Generator().manual_seed(0)).bfloat16()


class Sigmoid(torch.autograd.Function):
    """Each operation rounds: more cancels in y - y² than in the reference's y (1 - y), and 1/(1 + e^-x) rounds twice more."""

    off_in_bfloat16 = 1.0

    @staticmethod
    def forward(ctx, x):
        y = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(y)
        return y

    @classmethod
    def backward(cls, ctx, cotangent):
        (y,) = ctx.saved_tensors
        return (cls.off_in_bfloat16 if y.dtype is torch.bfloat16 else 1.0) * cotangent * (y - y * y)


class OffInBfloat16(Sigmoid):
    off_in_bfloat16 = 1.02


def test_a_form_that_rounds_more_often_in_a_narrow_type_is_not_accused_where_it_is_right_in_float64():
    found = assert_gradients(Sigmoid.apply, BFLOAT16, reference=torch.sigmoid, shapes=("N D",), seed=0, draws=0)
    assert any("the candidate is right in float64 there, and what its own type leaves of it is rounding" in note for note in found.notes)


def test_what_is_wrong_in_a_narrow_type_alone_is_more_than_its_own_rounding():
    with pytest.raises(AssertionError, match="the gradient of x is not the reference's: its slope"):
        assert_gradients(OffInBfloat16.apply, BFLOAT16, reference=torch.sigmoid, shapes=("N D",), seed=0, draws=0)


class Overflowing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log1p(x * x)

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return cotangent * (2 * x**3 / (x**2 + x**4))


def test_what_overflows_in_a_narrow_type_alone_is_no_rounding():
    """20⁴ is infinite in float16, and what is divided by it 0, in the candidate's own copies too."""
    x = torch.linspace(1, 20, 8, dtype=torch.float16)[None]
    asked = prepare(Overflowing.apply, (x,), lambda x: torch.log1p(x * x), Said(shapes=("N D",), seed=0))
    wrong = asked.judge.try_case(asked.space.base, {"x": x}).wrong
    assert wrong.text.startswith("the gradient of x is not the reference's")


def test_a_sum_that_stands_still_in_bfloat16_is_wrong_though_its_own_copies_stand_still_too():
    class Biased(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, bias):
            return x + bias

        @staticmethod
        def backward(ctx, cotangent):
            total = torch.zeros_like(cotangent[0])
            for row in cotangent:
                total = total + row
            return cotangent, total

    said = Said(shapes=("N D", "D"), sizes={"N": (2, 520), "D": (2, 9)}, seed=0)
    asked = prepare(Biased.apply, (BFLOAT16, torch.zeros(6, dtype=torch.bfloat16)), torch.add, said)
    equal = asked.space.of_many_equal_rows(0)
    wrong = asked.judge.try_case(equal).wrong
    assert equal.sizes["N"] > 256 and wrong.text.startswith("the gradient of bias is not the reference's")
