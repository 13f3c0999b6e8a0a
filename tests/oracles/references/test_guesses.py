"""What is read off the examples where nothing was said (numbers all negative, sizes that belong together), and what a type cannot hold."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from verifier import assert_gradients
from verifier.oracles.references.bounds import overflows
from verifier.oracles.references.domains import domain_of, numbers_of
from verifier.oracles.references.judging import Judge


def rotated(q, cos, sin):
    half = q.shape[-1] // 2
    return q * torch.cat([cos, cos], -1) + torch.cat([-q[..., half:], q[..., :half]], -1) * torch.cat([sin, sin], -1)


class Rotation(torch.autograd.Function):
    """Of two columns at q of one column: none, where broadcasting makes two of the reference's."""

    back = -1

    @staticmethod
    def turn(q, cos, sin):
        half = q.shape[-1] // 2
        return torch.cat([q[..., :half] * cos - q[..., half:] * sin, q[..., half:] * cos + q[..., :half] * sin], -1)

    @classmethod
    def forward(cls, ctx, q, cos, sin):
        ctx.save_for_backward(cos, sin)
        return cls.turn(q, cos, sin)

    @classmethod
    def backward(cls, ctx, cotangent):
        cos, sin = ctx.saved_tensors
        return cls.turn(cotangent, cos, cls.back * sin), None, None


class TurnedOn(Rotation):
    back = 1


class WithoutRowsOfOne(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, bias):
        ctx.save_for_backward(x)
        return (x + bias).squeeze(0)

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return cotangent.reshape(x.shape), cotangent.reshape(x.shape).sum(0)


def heads():
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((2, 3, 5, 8), (5, 4), (5, 4))]
    return drawn[0].requires_grad_(), *drawn[1:]


def test_a_size_of_one_that_the_reference_spreads_over_others_is_not_judged():
    for seed in range(3):
        found = assert_gradients(Rotation.apply, *heads(), reference=rotated, seed=seed, draws=20)
        assert found.draws > 50
    with pytest.raises(AssertionError, match=r"the gradient of q is not the reference's\."):
        assert_gradients(TurnedOn.apply, *heads(), reference=rotated, seed=0, draws=0)


def test_a_dimension_of_one_that_the_candidate_loses_is_found_though_no_shapes_were_said():
    with pytest.raises(AssertionError, match=r"output 0 has shape \(3,\); the reference's is \(1, 3\), only with size4 = 1"):
        assert_gradients(WithoutRowsOfOne.apply, torch.randn(4, 3), torch.randn(3), reference=lambda x, bias: x + bias, seed=0, draws=0)


def test_decays_that_are_all_negative_are_drawn_so():
    decays = -torch.rand(4, 3, dtype=torch.float64) - 0.1
    assert domain_of(decays, None, mask=False) == "negative"
    assert domain_of(decays[0], None, mask=False) == "real"  # three of one sign come by chance
    assert domain_of(decays, "real", mask=False) == "real"
    drawn = numbers_of("negative", decays, (50,), np.random.default_rng(0))
    assert (drawn < 0).all() and 0.2 < np.median(-drawn) < 1.5


def test_no_number_is_no_mistake_where_the_right_one_is_beyond_the_types_largest():
    beyond, room, none = np.array([3.1e39, 1e38]), np.array([0.0, 1e39]), np.array([np.inf, np.nan])
    assert overflows(none, beyond, room, torch.float32)
    assert not overflows(none, beyond, room, torch.float64)
    assert not overflows(none, np.array([3.1e39, 1e38]), np.zeros(2), torch.float32)
    assert not overflows(np.array([np.inf, 1e30]), beyond, room, torch.float32)  # a finite one is wrong


def test_a_point_where_rounding_reaches_beyond_the_types_largest_is_not_judged():
    room = {"x": np.array([1e37, 1e39])}
    truth = SimpleNamespace(tolerances=lambda *given, **how: (room, ()), may_be_rounding=lambda *given: False)
    judge = Judge(None, None, {}, torch.float32)
    found = judge._held({"x": np.array([1.0, np.inf])}, {"x": np.array([1.0, 1e38])}, truth, ())
    assert (found.what, found.text) == ("unjudged", "the right numbers overflow")


def test_labels_stay_labels_where_another_tensor_is_said_to_be_differentiated():
    class Logistic(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, target):
            sign = torch.where(target > 0, 1.0, -1.0).to(x.dtype)
            ctx.save_for_backward(x, sign)
            return torch.nn.functional.softplus(-sign * x)

        @staticmethod
        def backward(ctx, cotangent):
            x, sign = ctx.saved_tensors
            return -sign * torch.sigmoid(-sign * x) * cotangent, None

    def reference(x, target):
        return torch.nn.functional.binary_cross_entropy_with_logits(x, target, reduction="none")

    x, target = torch.randn(4, 3), torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    found = assert_gradients(Logistic.apply, x.requires_grad_(), target, reference=reference, seed=0, draws=5)
    assert "target is drawn as its example shows it: either of two numbers" in found.notes
