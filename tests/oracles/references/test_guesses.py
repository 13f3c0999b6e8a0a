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


def test_a_number_that_cancels_is_near_where_it_is_off_by_last_bits_of_the_largest():
    """Such an answer is right without a measurement: none of the copies that `tolerances` takes is asked for."""

    def never(*given, **how):
        raise AssertionError("it is measured")

    judge, right = Judge(None, None, {}, torch.float64), {"x": np.array([1.0, 1e-13])}
    truth = SimpleNamespace(tolerances=never)
    assert judge._held({"x": np.array([1.0 - 2.0**-51, 1e-13 + 2.0**-51])}, right, truth, ()) is None
    for wrong in ([1.0, 2e-14 + 2.0**-47], [1.0 + 1e-14, 1e-13]):
        with pytest.raises(AssertionError, match="it is measured"):
            judge._held({"x": np.array(wrong)}, right, truth, ())


def test_one_number_says_little_of_the_size_of_others():
    def size(*example):
        return float(np.abs(numbers_of("real", torch.tensor(example), (400,), np.random.default_rng(0))).mean())

    assert 0.5 < size(0.01) < 1.5  # a learning rate, as well as a coordinate that happens to be small
    assert 0.5 < size(0.01, -0.02) < 1.5
    assert 15 < size(30.0) < 45
    assert 0.005 < size(0.01, -0.02, 0.005, 0.01) < 0.015  # four that are small are meant to be


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_rows_that_sum_to_1_do_so_to_the_rounding_of_their_type(dtype):
    shares = torch.softmax(torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64), -1)
    assert domain_of(shares.to(dtype), None, mask=False) == "rows sum to 1"
    assert domain_of((1.1 * shares).to(dtype), None, mask=False) != "rows sum to 1"


def mean_of_five(x):
    return x.sum(0) / 5


def test_a_size_that_stands_in_the_code_stays_whichever_dimension_it_is():
    found = assert_gradients(mean_of_five, torch.randn(5, 3), reference=lambda x: x.mean(0), seed=0, draws=3)
    assert "sizes: 5 stays, as the number stands in the code; say with shapes= what it is" in found.not_drawn
    with pytest.raises(AssertionError, match="output 0 is not the reference's"):
        assert_gradients(mean_of_five, torch.randn(5, 3), reference=lambda x: x.mean(0), shapes=("N D",), seed=0, draws=0)


def test_that_equal_dimensions_are_taken_for_one_size_is_said_where_no_shapes_were():
    guessed = "shapes: dimensions of equal size are taken for one size; name them with shapes= to draw others and other ranks"
    said = {"reference": lambda x: x + x, "seed": 0, "draws": 1}
    free, named = (assert_gradients(lambda x: 2 * x, torch.randn(4, 3), **said, **more).not_drawn for more in ({}, {"shapes": ("N D",)}))
    assert guessed in free and guessed not in named
    assert not [one for one in (*free, *named) if "points of large sizes" in one]  # none of them is slow


def test_a_fault_of_one_or_two_elements_alone_is_found():
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, cotangent):
            return cotangent * (3 if cotangent.numel() < 3 else 2)

    with pytest.raises(AssertionError, match=r"Smallest case: N = [12], D = [12];"):
        assert_gradients(Doubled.apply, torch.randn(4, 3), reference=lambda x: x + x, shapes=("N D",), seed=0, draws=20)


class Weighted(torch.nn.Module):
    """The square of each weight, whose gradient is off by `factor`."""

    def __init__(self, factor):
        super().__init__()
        self.weight, self.factor = torch.nn.Parameter(torch.randn(3, generator=torch.Generator().manual_seed(1))), factor

    def forward(self, x, y):
        square = self.weight**2
        off = square.detach() + self.factor * (square - square.detach())
        return x * off + y


@pytest.mark.parametrize("required", ["x", ""])
def test_parameters_are_differentiated_whichever_arguments_are(required):
    x, y = (torch.randn(4, 3).requires_grad_(name in required) for name in "xy")
    with pytest.raises(AssertionError, match="the gradient of weight is not the reference's"):
        assert_gradients(Weighted(1.5), x, y, reference=Weighted(1.0), seed=0, draws=0)
