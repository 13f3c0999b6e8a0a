"""Points at which rounding decides a right gradient: eigenvectors that no gap holds, a matrix that cannot be inverted."""

import pytest
import torch

from verifier import assert_gradients
from verifier.oracles.dispatched.calling import named_call
from verifier.oracles.dispatched.measuring import measure

KEPT = 2  # directions of a null space


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def projector_by_eigenvectors(x):
    _, vectors = torch.linalg.eigh(x.mT @ x)
    return vectors[..., :KEPT] @ vectors[..., :KEPT].mT


class Projector(torch.autograd.Function):
    """On the directions that a matrix makes smallest; where more of them are open than are kept, on any of these."""

    factor = 1.0

    @staticmethod
    def forward(ctx, x):
        _, values, transposed = torch.linalg.svd(x, full_matrices=True)
        ctx.save_for_backward(x, values, transposed.mT)
        return transposed[-KEPT:].mT @ transposed[-KEPT:]

    @classmethod
    def backward(cls, ctx, cotangent):
        x, values, vectors = ctx.saved_tensors
        squares = torch.cat([values.square(), values.new_zeros(vectors.shape[-1] - values.shape[-1])])
        inside = vectors[:, -KEPT:]
        gap = squares[-KEPT:] - squares[:-KEPT, None]
        turned = (vectors[:, :-KEPT].mT @ (cotangent + cotangent.mT) @ inside) / gap
        moved = vectors[:, :-KEPT] @ turned @ inside.mT
        return cls.factor * (x @ (moved + moved.mT))


class Twice(Projector):
    factor = 2.0


def asked(candidate):
    return assert_gradients(candidate.apply, normal(3, 5), reference=projector_by_eigenvectors, shapes=("M N",), seed=0, draws=10)


def test_directions_that_nothing_holds_are_nobodys_mistake():
    assert any("rounding alone decides" in note for note in asked(Projector).notes)


def test_where_a_gap_holds_them_a_wrong_gradient_is_wrong():
    with pytest.raises(AssertionError, match="twice the right one"):
        asked(Twice)


def test_a_departure_that_does_not_shrink_with_the_noise_is_not_scaled_down():
    named = named_call(projector_by_eigenvectors, (normal(1, 5),))  # four directions are open, of which two are kept
    found = measure(named.call, named.tensors, [normal(5, 5).numpy()], differentiate=named.differentiate)
    assert found.output_scatter["output"].max() > 0.01


def inverse(a):
    if torch.linalg.cond(a) > 1e12:
        raise torch.linalg.LinAlgError("the matrix is singular")
    return torch.linalg.inv(a)


class LogDeterminant(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return torch.linalg.slogdet(a)[1]

    @staticmethod
    def backward(ctx, cotangent):
        (a,) = ctx.saved_tensors
        return cotangent * inverse(a).mT


class Determinant(LogDeterminant):
    """Its gradient at a singular matrix is made of cofactors, and is a number."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return torch.linalg.det(a)

    @staticmethod
    def backward(ctx, cotangent):
        (a,) = ctx.saved_tensors
        return cotangent * torch.linalg.det(a) * inverse(a).mT


def singular(shape, sizes, generator):
    column, row = (torch.randn(one, generator=generator, dtype=torch.float64) for one in ((shape[0], 1), (1, shape[1])))
    return column @ row


def test_code_may_raise_where_nothing_is_left_of_a_gradient():
    said = {"shapes": ("N N",), "draw": {"a": singular}, "seed": 0, "draws": 5}
    found = assert_gradients(LogDeterminant.apply, normal(3, 3), reference=lambda a: torch.linalg.slogdet(a)[1], **said)
    assert any("rounding alone decides" in note for note in found.notes)


def test_code_may_not_raise_where_the_gradient_is_a_number():
    with pytest.raises(AssertionError, match="singular"):
        assert_gradients(Determinant.apply, normal(3, 3), reference=torch.linalg.det, shapes=("N N",), sizes={"N": (2, 4)}, seed=0, draws=5)
