"""How far a candidate's own answers wander at a point, when its inputs move by their last bits.

A reference in its stable form does not cover right code in a worse one (a variance as E[x²] - E[x]²). That code shows its rounding itself:
at inputs that it cannot tell from the point, other answers. They are asked for at the point alone, never over a region: a wrong term that
varies slowly would hide in what a region shows.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from verifier.arrays import Array
from verifier.oracles.dispatched.noise import Noise, Size

Ask = Callable[[Mapping[str, Tensor]], Mapping[str, Array]]
"""From tensors by name to the candidate's outputs and gradients, by names of any kind."""


def wandering(
    answer: Ask,
    tensors: Mapping[str, Tensor],
    *,
    move: Sequence[str],
    at: Mapping[str, Array] | None = None,
    copies: int = 4,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """The largest departure of each element of each answer from what it is at the point, in the answer's units.

    Args:
        answer: the candidate in its own type.
        tensors: the point.
        move: names of real tensors whose numbers move, each by at most one unit in its last place; zeros stay.
        at: the answers at the point, where they are known.
    """
    center = answer(tensors) if at is None else at
    largest = {name: np.zeros(np.shape(value)) for name, value in center.items()}
    for copy in range(copies):
        moved = dict(tensors)
        for name in move:
            moved[name] = last_bits_moved(tensors[name], seed * 1_000_003 + copy)
        for name, value in answer(moved).items():
            with np.errstate(all="ignore"):
                departure = np.abs(np.asarray(value, dtype=center[name].dtype) - center[name])
            known = np.isfinite(departure)
            np.maximum(largest[name], np.where(known, departure, 0.0), out=largest[name])
    return largest


def last_bits_moved(tensor: Tensor, seed: int) -> Tensor:
    """Numbers of the same type, each the same or one of its two neighbours, laid out as before."""
    noise = Noise(Size(1.0), seed)
    detached = tensor.detach()
    moved = detached.clone()
    if tensor.is_complex():
        parts = torch.view_as_real(detached.resolve_conj())
        moved.copy_(torch.view_as_complex(last_bits_moved(parts, seed)))
    elif tensor.numel():
        # Relative noise of size one on ones: uniform on [0, 2], by thirds down, still and up.
        way = noise.moved(torch.ones(tensor.shape, dtype=torch.float64, device=tensor.device))
        up, down = torch.full_like(detached, float("inf")), torch.full_like(detached, float("-inf"))
        target = torch.where(way < 2 / 3, down, torch.where(way > 4 / 3, up, detached))
        moved.copy_(torch.where(detached == 0, detached, torch.nextafter(detached, target)))
    return moved.requires_grad_(tensor.requires_grad)
