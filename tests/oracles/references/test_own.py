"""Code whose own form leaves no digits in its type: not accused where it is right in float64, and not right for being noisy."""

import pytest
import torch

from verifier import assert_gradients
from verifier.errors import Inconclusive

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
