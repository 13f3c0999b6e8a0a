"""One run of a function and of its backward pass inside an arithmetic: fresh tensors, the same random numbers, gradients by autograd."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from verifier.arrays import Array
from verifier.oracles.cotangents import Projection
from verifier.oracles.dispatched.arithmetic import Arithmetic, Generators, UndispatchableError, is_real, lifted
from verifier.oracles.dispatched.devices import gpus_of, narrowest, same_randomness, without_cudnn
from verifier.oracles.dispatched.noise import Noise

Call = Callable[[Mapping[str, Tensor]], Any]
"""From tensors by name to a tensor, or to any nest of tuples, lists and dictionaries with tensors in it."""
Cotangents = Sequence[Tensor | Array | None] | None
"""One for each real output, in order; None for one that is not used; None alone where the only output is a number."""


@dataclass(frozen=True)
class Given:
    """What is run: see `measuring.measure`."""

    call: Call
    tensors: Mapping[str, Tensor]
    cotangents: Cotangents
    differentiate: tuple[str, ...]
    generators: Generators = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What one run gave, by name; `absent` are the names that no output depends on, whose gradients are zero."""

    outputs: Mapping[str, Array]
    gradients: Mapping[str, Array]
    absent: tuple[str, ...]


def run(given: Given, arithmetic: Arithmetic, *, move: Noise | None = None) -> Answer:
    """One run.

    Args:
        move: noise that the differentiated inputs are moved by, zeros by as much as their tensor's largest number would be.
    Raises:
        UndispatchableError: the function raises in this arithmetic, or cannot be differentiated.
    """
    leaves = _leaves(given, move)
    arithmetic.drawn = narrowest(given.tensors.values())
    with _alike(given), torch.enable_grad():
        try:
            with arithmetic:
                outputs = real_outputs(given.call(leaves))
                gradients = _gradients(outputs, leaves, given)
        except UndispatchableError:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise UndispatchableError(f"the function cannot be run in float64 below autograd: {type(error).__name__}: {reason}") from error
    return Answer(
        {name: to_array(value) for name, value in outputs.items()},
        {name: to_array(torch.zeros_like(leaves[name]) if g is None else g) for name, g in gradients.items()},
        tuple(name for name, g in gradients.items() if g is None),
    )


def real_outputs(answer: Any) -> dict[str, Tensor]:
    """The real and complex tensors of what a function returned, named by where they stand in it."""
    found, _ = pytree.tree_flatten_with_path(answer)
    outputs = {"output" + pytree.keystr(path): value for path, value in found if isinstance(value, Tensor) and is_real(value)}
    if not outputs:
        raise UndispatchableError(f"the function returns no real tensor, but {type(answer).__name__}.")
    return outputs


def to_array(value: Tensor) -> Array:
    """In NumPy's float64 or complex128, memory of its own."""
    array: Array = lifted(value.detach()).resolve_conj().resolve_neg().cpu().numpy()
    return array.copy()


def _leaves(given: Given, move: Noise | None) -> dict[str, Tensor]:
    leaves = {}
    for name, tensor in given.tensors.items():
        fresh = lifted(tensor.detach()).clone(memory_format=torch.contiguous_format)
        if name in given.differentiate:
            if move is not None and fresh.numel():
                largest = float(fresh.abs().max())
                scale = torch.where(fresh == 0, largest if 0 < largest < float("inf") else 1.0, fresh)
                fresh += move.moved(scale) - scale
            fresh.requires_grad_()
        leaves[name] = fresh
    return leaves


def _gradients(outputs: Mapping[str, Tensor], leaves: Mapping[str, Tensor], given: Given) -> dict[str, Tensor | None]:
    wanted = [leaves[name] for name in given.differentiate]
    if not wanted:
        return {}
    values = list(outputs.values())
    cotangents = given.cotangents
    if cotangents is None:
        if len(values) != 1 or values[0].numel() != 1:
            raise UndispatchableError("cotangents are needed: the function has several outputs, or one that is not a number.")
        cotangents = [torch.ones_like(values[0])]
    pairs = [(v, c) for v, c in zip(values, cotangents, strict=True) if c is not None and v.requires_grad]
    if not pairs:
        return {name: None for name in given.differentiate}
    seeds = [lifted(torch.as_tensor(np.asarray(c) if not isinstance(c, Tensor) else c).detach()).to(v) for v, c in pairs]
    projection: Tensor = Projection.apply(seeds, *(value for value, _ in pairs))  # type: ignore[no-untyped-call]
    found = torch.autograd.grad(projection, wanted, allow_unused=True)
    return dict(zip(given.differentiate, found, strict=True))


@contextmanager
def _alike(given: Given) -> Iterator[None]:
    """Every run meets the same random numbers, in one order of operations; afterwards all generators are as they were."""
    gpus = gpus_of(given.tensors.values())
    for generator, state in given.generators.items():
        generator.set_state(state)
    with same_randomness(gpus), without_cudnn(gpus), sdpa_kernel(SDPBackend.MATH), torch.autograd.set_multithreading_enabled(False):
        try:
            yield
        finally:
            for generator, state in given.generators.items():
                generator.set_state(state)
