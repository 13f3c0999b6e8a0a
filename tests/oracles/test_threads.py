"""On a busy machine each operation on two threads waits for the second one: a function is asked a hundred times on one."""

import pytest
import torch

from verifier import assert_gradients
from verifier.oracles.threads import threads

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


seen: list[int] = []  # at each pass of the candidate


class Recording(torch.autograd.Function):
    factor = 1.0

    @classmethod
    def forward(cls, ctx, x):
        seen.append(torch.get_num_threads())
        ctx.save_for_backward(x)
        return torch.sin(x)

    @classmethod
    def backward(cls, ctx, cotangent):
        seen.append(torch.get_num_threads())
        (x,) = ctx.saved_tensors
        return cls.factor * torch.cos(x) * cotangent


class Doubled(Recording):
    factor = 2.0


class Raising(Recording):
    @classmethod
    def backward(cls, ctx, cotangent):
        if len(seen) > 4:
            raise RuntimeError("no more")
        return super().backward(ctx, cotangent)


@pytest.fixture(autouse=True)
def _two_threads():
    seen.clear()
    with threads(2):
        yield


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("further", [{}, {"reference": torch.sin, "seed": 0, "draws": 3}])
def test_only_the_judged_claim_is_computed_on_the_users_threads(dtype, further):
    assert_gradients(Recording.apply, X.to(dtype), **further)
    assert seen.count(2) == 2  # one forward and one backward pass
    assert seen.count(1) > 50


@pytest.mark.parametrize("further", [{}, {"reference": torch.sin, "seed": 0, "draws": 3}])
def test_large_arrays_are_computed_on_all_threads(further, monkeypatch):
    monkeypatch.setattr("verifier.oracles.threads.FEW", X.numel())
    assert_gradients(Recording.apply, X, **further)
    assert set(seen) == {2}


@pytest.mark.parametrize("further", [{}, {"reference": torch.sin, "seed": 0, "draws": 3}])
def test_the_users_setting_is_back_afterwards_whatever_was_raised(further):
    assert_gradients(Recording.apply, X, **further)
    assert torch.get_num_threads() == 2
    with pytest.raises(AssertionError):
        assert_gradients(Doubled.apply, X, **further)
    assert torch.get_num_threads() == 2
    seen.clear()
    with pytest.raises((RuntimeError, AssertionError), match="no more"):
        assert_gradients(Raising.apply, X, **further)
    assert torch.get_num_threads() == 2
