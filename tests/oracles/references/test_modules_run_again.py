"""Modules whose backward pass runs them again: it finds the parameters of the forward pass, and a module of a user stays as it is."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from verifier import assert_gradients


class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)
        self.double()

    def part(self, x):
        return self.second(torch.tanh(self.first(x)))

    def forward(self, x):
        return self.part(x)


class Checkpointed(Plain):
    def forward(self, x):
        return checkpoint(self.part, x, use_reentrant=False)


class Again(torch.autograd.Function):
    """Keeps the module and not its activations."""

    @staticmethod
    def forward(ctx, module, factor, x, *parameters):
        ctx.module, ctx.factor = module, factor
        ctx.save_for_backward(x, *parameters)
        with torch.no_grad():
            return module.part(x)

    @staticmethod
    def backward(ctx, cotangent):
        x, *parameters = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            output = ctx.module.part(x)
            inputs = [x, *parameters]
            found = iter(torch.autograd.grad(output, [one for one in inputs if one.requires_grad], cotangent))
        return None, None, *(ctx.factor * next(found) if one.requires_grad else None for one in inputs)


class Recomputed(Plain):
    factor = 1.0

    def forward(self, x):
        return Again.apply(self, self.factor, x, *self.parameters())


class RecomputedTwice(Recomputed):
    factor = 2.0


def asked(kind):
    candidate, reference = kind(), Plain()
    reference.load_state_dict(candidate.state_dict())
    before = {name: (one, one.clone()) for name, one in candidate.named_parameters()}
    try:
        return assert_gradients(candidate, torch.randn(5, 3, dtype=torch.float64), reference=reference, seed=0, draws=20)
    finally:
        after = dict(candidate.named_parameters())
        assert all(after[name] is one and torch.equal(one, kept) and one.grad is None for name, (one, kept) in before.items())


@pytest.mark.parametrize("kind", [Checkpointed, Recomputed])
def test_a_module_that_runs_again_finds_the_parameters_of_its_forward_pass(kind):
    assert asked(kind).draws > 60


def test_a_wrong_gradient_of_such_a_module_is_wrong():
    with pytest.raises(AssertionError, match="twice the right one"):
        asked(RecomputedTwice)
