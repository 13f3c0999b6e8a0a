"""A mode in which every result of an operation has half of its type's digits; see `verifier.coarser`."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from verifier.oracles.dispatched.arithmetic import is_real, tensors
from verifier.oracles.dispatched.operations import treatment_of


class Coarser(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The mode.

    Args:
        epsilon: of the type that the function is asked in.
        meet: told the epsilon of each result that follows from numbers of that type.
    """

    def __init__(self, epsilon: float, meet: Callable[[float], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._epsilon, self._meet = epsilon, meet

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # as in `Arithmetic`: else PyTorch imports its compiler

    def __torch_dispatch__(
        self, func: OpOverload, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        treatment = treatment_of(func)
        result = func(*args, **kwargs)
        if treatment.views:
            return result
        follows = any(is_real(one) and torch.finfo(one.dtype).eps <= self._epsilon for one in tensors((args, kwargs)))
        for value in tensors(result):
            if is_real(value) and value.numel():
                if follows:
                    self._meet(torch.finfo(value.dtype).eps)
                value.copy_(_halved(value))
        return result


def _halved(value: Tensor) -> Tensor:
    """As `verifier.coarser.halved`."""
    digits = round(-torch.tensor(torch.finfo(value.dtype).eps, dtype=torch.float64).log2().item())
    large = value * (2 ** (-(-digits // 2) + 1) + 1)
    rounded = large - (large - value)
    return torch.where(torch.isfinite(rounded), rounded, value)
