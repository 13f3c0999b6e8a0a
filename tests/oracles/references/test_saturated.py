"""Right code where little is left of the numbers that it computes with: a saturated softmax, written as everybody writes it."""

import pytest
import torch

from verifier import assert_gradients


def stable(x, mask):
    """Shifted by the largest number, through which the gradient goes too: nothing cancels in it."""
    shifted = torch.where(mask, x - x.masked_fill(~mask, -1e30).amax(-1, keepdim=True), 0.0)
    raised = torch.where(mask, shifted.exp(), 0.0)
    total = raised.sum(-1, keepdim=True)
    return raised / torch.where(total > 0, total, 1.0)


class Softmax(torch.autograd.Function):
    factor = 1.0

    @staticmethod
    def forward(ctx, q, k, v, mask):
        p = stable(q @ k.T, mask)
        ctx.save_for_backward(q, k, v, p)
        return p @ v

    @classmethod
    def backward(cls, ctx, c):
        q, k, v, p = ctx.saved_tensors
        dp = c @ v.T
        ds = p * (dp - cls.factor * (dp * p).sum(-1, keepdim=True))
        return ds @ k, ds.T @ q, p.T @ c, None


class NearlyRight(Softmax):
    factor = 1 + 1e-12


def asked(candidate):
    generator = torch.Generator().manual_seed(1)
    tensors = [torch.randn(*shape, dtype=torch.float64, generator=generator) for shape in ((4, 3), (5, 3), (5, 2))]
    return assert_gradients(
        candidate.apply,
        *tensors,
        torch.rand(4, 5, generator=generator) > 0.4,
        reference=lambda q, k, v, mask: stable(q @ k.T, mask) @ v,
        shapes=("M D", "N D", "N E", "M N"),
        masks=("mask",),
        seed=0,
        draws=5,
    )


def test_what_a_saturated_softmax_leaves_is_rounding():
    assert asked(Softmax).draws > 60


def test_what_is_off_by_more_than_its_own_rounding_is_wrong():
    with pytest.raises(AssertionError, match="the gradient of"):
        asked(NearlyRight)
