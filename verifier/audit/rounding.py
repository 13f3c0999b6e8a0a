"""How far a gradient wanders by rounding alone: its inputs and cotangents are moved by their last bits."""

import sys
from collections.abc import Callable
from typing import Any

COPIES = 8


def of_torch(function: Callable[..., Any], *arguments: Any) -> float | None:
    """The largest change of any gradient over the copies, relative to that gradient's largest element; None where there is no gradient."""
    torch: Any = sys.modules["torch"]
    generator = torch.Generator().manual_seed(0)

    def moved(tensor: Any, size: float) -> Any:
        step = torch.finfo(tensor.dtype).eps * size
        return tensor * (1 + step * (2 * torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) - 1))

    def is_real(value: Any) -> bool:
        return isinstance(value, torch.Tensor) and bool(value.is_floating_point())

    cotangents: list[Any] = []

    def gradients(size: float) -> list[Any]:
        given = [moved(one.detach(), size).requires_grad_() if is_real(one) else one for one in arguments]
        answer = function(*given)
        outputs = [one for one in (answer if isinstance(answer, tuple | list) else [answer]) if is_real(one) and one.requires_grad]
        if not cotangents:
            cotangents.extend(torch.randn(one.shape, generator=generator, dtype=one.dtype) for one in outputs)
        leaves = [one for one in given if is_real(one)]
        got = torch.autograd.grad(outputs, leaves, [moved(one, size) for one in cotangents], allow_unused=True)
        return [one for one in got if one is not None]

    right = gradients(0.0)
    largest = [float(one.abs().max()) for one in right]
    departures = [
        float((copy - one).abs().max()) / scale
        for _ in range(COPIES)
        for one, copy, scale in zip(right, gradients(1.0), largest, strict=True)
        if scale
    ]
    return max(departures) if departures else None
