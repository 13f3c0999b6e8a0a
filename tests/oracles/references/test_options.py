"""Options of which nothing was said: what their names say is asked, where both functions take it; a guess accuses nobody who refuses it."""

import pytest
import torch

from verifier import assert_gradients

F = torch.nn.functional


def tensor(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class CrossEntropy(torch.autograd.Function):
    """Divides by the batch, whatever the reduction is."""

    @staticmethod
    def forward(ctx, x, target, reduction, right):
        ctx.save_for_backward(x, target)
        ctx.divided = reduction == "mean" or not right
        return F.cross_entropy(x, target, reduction=reduction)

    @staticmethod
    def backward(ctx, cotangent):
        x, target = ctx.saved_tensors
        gradient = (x.softmax(1) - F.one_hot(target, x.shape[1])) * cotangent.reshape(-1, 1)
        return gradient / (len(x) if ctx.divided else 1), None, None, None


def plain(x, target, reduction="mean"):
    return F.cross_entropy(x, target, reduction=reduction)


def asked(candidate, *tensors, reference, **said):
    return assert_gradients(candidate, *tensors, reference=reference, seed=0, draws=20, **said)


def losses(right):
    def candidate(x, target, reduction="mean"):
        return CrossEntropy.apply(x, target, reduction, right)

    return candidate, tensor(4, 5), torch.tensor([0, 3, 1, 4])


def test_a_reduction_that_nobody_named_is_asked():
    with pytest.raises(AssertionError, match="only with reduction='sum'"):
        asked(*losses(right=False), reference=plain)
    found = asked(*losses(right=True), reference=plain)
    assert "reduction: only 'mean' and 'sum' and 'none'; say its values with options=" in found.not_drawn


def test_one_value_that_was_said_is_the_only_one():
    assert asked(*losses(right=False), reference=plain, options={"reduction": ["mean"]}).draws > 20


def test_a_value_that_the_candidate_refuses_is_not_asked():
    def candidate(x, target, reduction="mean"):
        if reduction != "mean":
            raise ValueError("mean only")
        return CrossEntropy.apply(x, target, reduction, True)

    found = asked(candidate, *losses(right=True)[1:], reference=plain)
    assert "reduction: always 'mean'; say its values with options=" in found.not_drawn


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, dim):
        ctx.save_for_backward(x.softmax(dim))
        return x.softmax(dim)

    @staticmethod
    def backward(ctx, cotangent):
        (y,) = ctx.saved_tensors
        return y * (cotangent - (cotangent * y).sum(-1, keepdim=True)), None


def test_a_dimension_is_asked_too():
    with pytest.raises(AssertionError, match="only with dim=0"):
        asked(lambda x, dim=-1: Softmax.apply(x, dim), tensor(4, 3), reference=lambda x, dim=-1: x.softmax(dim))


class Leaky(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        return F.leaky_relu(x, slope)

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, cotangent, 0.01 * cotangent), None


def test_a_number_is_asked_beside_its_default():
    with pytest.raises(AssertionError, match=r"only with negative_slope=0.005"):
        asked(lambda x, negative_slope=0.01: Leaky.apply(x, negative_slope), tensor(4, 3), reference=F.leaky_relu)


@pytest.mark.parametrize(("name", "default"), [("p", 0.25), ("tol", 1e-6), ("dropout_rate", 0.0), ("n_iter", 50), ("inplace", False)])
def test_an_argument_that_is_no_parameter_of_the_function_stays(name, default):
    scope = {}
    exec(f"def double(x, {name}={default}):\n    return 2 * x", scope)  # nothing but the name differs
    found = asked(scope["double"], tensor(3), reference=scope["double"])
    assert not any(line.startswith(f"{name}:") for line in found.not_drawn)


def test_a_value_that_makes_the_reference_random_is_not_asked():
    def candidate(x, scale=0.0):
        return 2 * x

    def reference(x, scale=0.0):
        return 2 * x + scale * torch.randn_like(x)

    assert asked(candidate, tensor(3), reference=reference).draws > 20


def test_arrays_without_the_option_in_their_gradient_keep_it():
    def candidate(x, scale=1.0):
        return scale * x

    assert asked(candidate, lambda x, cotangent: cotangent, tensor(3).numpy(), reference=lambda x, scale=1.0: scale * x).draws > 20
