"""What a device keeps beside a function's arguments: the states of its random generators, and libraries with an arithmetic of their own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_DRAWING = frozenset(["rand", "rand_like", "randn", "randn_like", "bernoulli", "uniform", "normal", "exponential", "log_normal", "cauchy"])


def gpus_of(tensors: Iterable[Tensor]) -> tuple[int, ...]:
    """The GPUs that these tensors lie on."""
    return tuple(sorted({tensor.device.index or 0 for tensor in tensors if tensor.device.type == "cuda"}))


def narrowest(tensors: Iterable[Tensor]) -> torch.dtype:
    """The type of the fewest digits among those of the real and complex tensors; float64 where there are none."""
    real = [tensor.dtype.to_real() for tensor in tensors if tensor.is_floating_point() or tensor.is_complex()]
    return max(real or [torch.float64], key=lambda one: torch.finfo(one).eps)


class _DrawnAs(TorchDispatchMode):
    """Random numbers in float64 are those that a generator gives to a narrower type, as code in that type meets them."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dtype = dtype

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # as in `Arithmetic`: else PyTorch imports its compiler

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        return called_as(self._dtype, function, arguments, keywords or {})


def called_as(dtype: torch.dtype, function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """The operation's result; of one that draws in float64, the numbers that its generator gives to this type."""
    if not _draws(function) or keywords.get("generator") is not None:  # one of its own: noise is drawn so, too
        return function(*arguments, **keywords)
    if keywords.get("dtype") is torch.float64:
        keywords = {**keywords, "dtype": dtype}
    wide = [isinstance(one, Tensor) and one.dtype is torch.float64 for one in arguments]
    drawn = function(*(one.to(dtype) if is_wide else one for one, is_wide in zip(arguments, wide, strict=True)), **keywords)
    if _name(function).endswith("_"):
        return arguments[0].copy_(drawn)
    return drawn.double() if any(wide) or keywords.get("dtype") is dtype else drawn


def _name(function: Any) -> str:
    return str(function._schema.name).split("::")[1]


@cache
def _draws(function: Any) -> bool:
    return _name(function).removesuffix("_") in _DRAWING


@contextmanager
def same_randomness(gpus: Sequence[int], dtype: torch.dtype = torch.float64) -> Iterator[None]:
    """The generators of the processor and of these GPUs from their beginning, and afterwards as they were.

    Args:
        dtype: what is drawn in float64 within are the numbers that this type gets: generators give others to other types.
    """
    state, states = torch.get_rng_state(), [torch.cuda.get_rng_state(gpu) for gpu in gpus]
    torch.default_generator.manual_seed(0)  # not torch.manual_seed, which walks the stack for other devices at each call
    for gpu in gpus:
        torch.cuda.default_generators[gpu].manual_seed(0)
    try:
        with nullcontext() if dtype is torch.float64 else _DrawnAs(dtype):
            yield
    finally:
        torch.set_rng_state(state)
        for gpu, kept in zip(gpus, states, strict=True):
            torch.cuda.set_rng_state(kept, gpu)


@contextmanager
def without_cudnn(gpus: Sequence[int]) -> Iterator[None]:
    """On a GPU convolutions, recurrent layers and batch norm as PyTorch computes them itself.

    cuDNN hides from a dispatch mode what it does, and multiplies float32 in TF32 unless it is set otherwise.
    """
    if not gpus:
        yield
        return
    enabled = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = enabled
