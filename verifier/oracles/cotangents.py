"""Cotangents for several outputs at once."""

from typing import Any

import torch
from torch import Tensor


class Projection(torch.autograd.Function):
    """Its gradients are the cotangents, as they lie in memory; for `grad_outputs` PyTorch would import sympy, for half a second."""

    @staticmethod
    def forward(ctx: Any, cotangents: list[Tensor], *outputs: Tensor) -> Tensor:
        ctx.cotangents = cotangents
        return torch.zeros((), dtype=torch.float64, device=outputs[0].device)

    @staticmethod
    def backward(ctx: Any, *unit: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *ctx.cotangents)
