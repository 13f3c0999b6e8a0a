"""Each planted wrong gradient is found, with no input made for it; its right version is not accused; the failure says what it needs."""

from dataclasses import replace

import pytest
import torch

from benchmarks.museum import planted, verdict
from benchmarks.plants import EXHIBITS
from verifier import assert_gradients


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_a_planted_gradient_is_found_and_its_right_version_passes(exhibit):
    assert verdict(exhibit, exhibit.wrong, draws=5, seed=0)[0] == "fail"
    assert verdict(exhibit, exhibit.right, draws=5, seed=0)[0] == "pass"


@pytest.mark.parametrize("name", ["learned-clipping", "sampling-at-the-border"])
def test_ties_of_narrow_numbers_are_judged_within_the_envelope_too(name):
    """Of 2,060 numbers in bfloat16 some are equal to the bound, where half of the cotangent goes to each in PyTorch."""
    exhibit = next(one for one in planted() if one.name == name)
    narrow = replace(exhibit, arguments=lambda: tuple(one.detach().bfloat16() for one in exhibit.arguments()))
    assert verdict(narrow, narrow.wrong, draws=0, seed=1)[0] == "fail"
    assert verdict(narrow, narrow.right, draws=0, seed=1)[0] == "pass"


def test_where_a_mask_in_a_narrow_type_is_off_is_said():
    masked = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], dtype=torch.bfloat16)
    x = torch.tensor([[1.0, 2.0, -1.0], [0.5, -2.0, 1.5]], dtype=torch.bfloat16)

    class Unmasked(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, mask):
            return x * mask

        @staticmethod
        def backward(ctx, cotangent):
            return cotangent, None

    with pytest.raises(AssertionError, match="where mask is off"):
        assert_gradients(Unmasked.apply, x.requires_grad_(), masked, reference=lambda x, mask: x * mask, masks=("mask",), seed=0, draws=0)


class Losses(torch.autograd.Function):
    """Row losses or their mean; the backward pass scales every row by the first one's cotangent."""

    @staticmethod
    def forward(ctx, x, reduction):
        ctx.save_for_backward(x)
        ctx.reduction = reduction
        return x.square().sum(-1).mean() if reduction == "mean" else x.square().sum(-1)

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return 2 * x * (cotangent / len(x) if ctx.reduction == "mean" else cotangent[0]), None


def plain(x, *, reduction):
    return x.square().sum(-1).mean() if reduction == "mean" else x.square().sum(-1)


def test_a_failure_is_shrunk_to_the_axes_that_it_needs():
    with pytest.raises(AssertionError) as caught:
        assert_gradients(
            lambda x, *, reduction: Losses.apply(x, reduction),
            torch.ones(3, 2, dtype=torch.float64),
            reference=plain,
            shapes=("N D",),
            options={"reduction": ["mean", "none"]},
            seed=1,
            draws=10,
        )
    first, second = str(caught.value).split("\n")[:2]
    assert first == "the gradient of x is not the reference's, only with reduction='none' and a cotangent that is not constant."
    assert "first row's cotangent" in second


def test_what_was_not_said_is_told_and_the_seed_draws_the_same():
    one, two = (assert_gradients(torch.tanh, torch.randn(3, 4), reference=torch.tanh, draws=3, seed=7) for _ in range(2))
    assert (one.seed, one.draws, one.axes) == (two.seed, two.draws, two.axes)
    assert any("shapes=" in line for line in one.not_drawn)
