"""What keeps one of several contributions is named: overlapping windows, heads that share their keys; so are factors."""

import pytest
import torch

from verifier import assert_gradients

F = torch.nn.functional
OVERWRITTEN = "along dimension{} of the output contribute to an element, only the {} counts"


def said_of(candidate, *tensors, reference, **said):
    with pytest.raises(AssertionError) as caught:
        assert_gradients(candidate, *tensors, reference=reference, seed=0, draws=0, **said)
    return str(caught.value)


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


class Patches(torch.autograd.Function):
    """A convolution by its patches, which are put back one over the other."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight)

    @staticmethod
    def backward(ctx, cotangent):
        x, weight = ctx.saved_tensors
        height, width = weight.shape[2:]
        found = torch.zeros_like(x)
        for row in range(cotangent.shape[2]):
            for column in range(cotangent.shape[3]):
                patch = torch.einsum("no,ochw->nchw", cotangent[:, :, row, column], weight)
                found[:, :, row : row + height, column : column + width] = patch
        return found, torch.nn.grad.conv2d_weight(x, weight.shape, cotangent)


class Pooled(torch.autograd.Function):
    """The mean of overlapping windows; the first to come keeps its place."""

    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return F.avg_pool1d(x, 3, stride=1)

    @staticmethod
    def backward(ctx, cotangent):
        found = torch.zeros(ctx.shape, dtype=cotangent.dtype)
        for place in reversed(range(cotangent.shape[2])):
            found[:, :, place : place + 3] = cotangent[:, :, place, None] / 3
        return found


class OfTheLastHead(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k):
        ctx.save_for_backward(q, k)
        return torch.einsum("hnd,md->hnm", q, k)

    @staticmethod
    def backward(ctx, cotangent):
        q, k = ctx.saved_tensors
        return torch.einsum("hnm,md->hnd", cotangent, k), torch.einsum("nm,nd->md", cotangent[-1], q[-1])


def test_windows_that_are_written_one_over_the_other_are_named():
    said = said_of(Patches.apply, drawn(2, 2, 4, 5), drawn(3, 2, 2, 3), reference=F.conv2d, shapes=("N C H W", "O C K L"))
    assert OVERWRITTEN.format("s 2 and 3", "last") in said
    said = said_of(Pooled.apply, drawn(2, 3, 7), reference=lambda x: F.avg_pool1d(x, 3, stride=1), shapes=("N C T",))
    assert OVERWRITTEN.format(" 2", "first") in said


def test_the_last_head_alone_is_named_and_a_mean_over_the_heads_is_not_taken_for_it():
    def reference(q, k):
        return q @ k.T

    said = said_of(OfTheLastHead.apply, drawn(4, 3, 5), drawn(6, 5), reference=reference)
    assert OVERWRITTEN.format(" 0", "last") in said

    class Mean(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, bias):
            return x + bias

        @staticmethod
        def backward(ctx, cotangent):
            return cotangent, cotangent.mean(0)  # for a cotangent of ones that of the last row

    said = said_of(Mean.apply, drawn(4, 3), drawn(3), reference=lambda x, bias: x + bias)
    assert "only the" not in said and "It is 1/(size4) times the right one" in said


def scaled_by(factor):
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x, scale)
            return x * scale

        @staticmethod
        def backward(ctx, cotangent):
            x, scale = ctx.saved_tensors
            return cotangent * scale, factor((cotangent * x).sum(), scale).reshape(scale.shape)

    return Scaled.apply


def test_a_factor_of_one_number_is_said_where_several_draws_show_it():
    given = drawn(4, 3), torch.tensor([0.7], dtype=torch.float64)
    said = said_of(scaled_by(lambda right, scale: 0.7123 * right), *given, reference=lambda x, scale: x * scale)
    assert "It is 0.7123 times the right one." in said
    said = said_of(scaled_by(lambda right, scale: right + scale.sum() + 1), *given, reference=lambda x, scale: x * scale)
    assert "times the right one" not in said


def test_what_repeated_indices_overwrite_is_said_once():
    class Rows(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, i):
            ctx.save_for_backward(i)
            ctx.shape = x.shape
            return x[i]

        @staticmethod
        def backward(ctx, cotangent):
            (i,) = ctx.saved_tensors
            found = torch.zeros(ctx.shape, dtype=cotangent.dtype)
            found[i] = cotangent
            return found, None

    said = said_of(
        Rows.apply,
        drawn(5, 3),
        torch.tensor([0, 2, 2, 4]),
        reference=lambda x, i: x[i],
        shapes=("V D", "L"),
        integers={"i": "index V"},
    )
    assert "where i says an index more than once: one contribution overwrites another" in said
    assert "do not overwrite" not in said


def test_sizes_and_options_that_one_case_cannot_tell_apart_are_all_named():
    class Adapted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x)
            return x * x * scale

        @staticmethod
        def backward(ctx, cotangent):
            return 2 * ctx.saved_tensors[0] * cotangent, None

    def adapted(x, scale=1.0):
        return Adapted.apply(x, scale)

    said = {"reference": lambda x, scale=1.0: scale * x**2, "options": {"scale": [1.0, 0.25]}}
    assert "It is 1/scale times the right one (1/scale is 4 here)." in said_of(adapted, drawn(3, 5), **said)
    assert "It is 1/scale, N or D times the right one" in said_of(adapted, drawn(4, 4), shapes=("N D",), **said)
