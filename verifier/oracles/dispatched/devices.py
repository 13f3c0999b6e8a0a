"""What a device keeps beside a function's arguments: the states of its random generators, and libraries with an arithmetic of their own."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


def gpus_of(tensors: Iterable[Tensor]) -> tuple[int, ...]:
    """The GPUs that these tensors lie on."""
    return tuple(sorted({tensor.device.index or 0 for tensor in tensors if tensor.device.type == "cuda"}))


@contextmanager
def same_randomness(gpus: Sequence[int]) -> Iterator[None]:
    """The generators of the processor and of these GPUs from their beginning, and afterwards as they were."""
    state, states = torch.get_rng_state(), [torch.cuda.get_rng_state(gpu) for gpu in gpus]
    torch.default_generator.manual_seed(0)  # not torch.manual_seed, which walks the stack for other devices at each call
    for gpu in gpus:
        torch.cuda.default_generators[gpu].manual_seed(0)
    try:
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
    enabled = torch.backends.cudnn.enabled
    if gpus:
        torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        if gpus:
            torch.backends.cudnn.enabled = enabled
