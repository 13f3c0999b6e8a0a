"""Noise for tensors: numbers uniform on [-1, 1], drawn once a process and device, and read from a place that the copy's seed says.

Drawing as many numbers as an operation has results costs more than most operations; reading them costs one pass over memory.
"""

import random
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

_POOL = 2**20  # eight megabytes
_SEED = 20261127
_MATRICES = (
    "linalg_solve",
    "linalg_inv",
    "linalg_cholesky",
    "linalg_qr",
    "linalg_lu",
    "linalg_eig",
    "linalg_svd",
    "linalg_matrix_exp",
    "linalg_det",
    "linalg_slogdet",
    "linalg_pinv",
    "linalg_lstsq",
    "linalg_ldl",
    "cholesky",
    "triangular_solve",
)


class Sharing(Enum):
    """Which elements of a tensor get the same noise: what is equal rounds alike, and what rounds alike does not average out in a sum."""

    NONE = "none"
    ROWS = "rows"
    ALL = "all"


@dataclass(frozen=True)
class Size:
    """The size of a copy's noise.

    Attributes:
        relative: u of value · (1 + uξ).
        additive: what is added to every value, for underflow.
        sharing: see there.
    """

    relative: float
    additive: float = 0.0
    sharing: Sharing = Sharing.NONE


@dataclass(frozen=True)
class Stored:
    """What is known of a result when it is stored.

    Attributes:
        operation: its name.
        position: which of the operation's results it is.
        terms: of the longest sum behind it; 1 where there is none.
        absolute: whether right forms lose the digits of a small result.
        own: whether it is made of nothing but the function's own numbers, in single precision.
    """

    operation: str
    position: int
    terms: int
    absolute: bool
    own: bool = False


class Disturbance(Protocol):
    """What an arithmetic does to operands and results; the noise of a copy, or the stores of a narrow type."""

    @property
    def reach(self) -> float:
        """How far a number is moved at once, relatively."""

    def result(self, value: Tensor, stored: Stored) -> None:
        """A fresh result, changed in place."""

    def operand(self, value: Tensor, operation: str) -> Tensor:
        """What a sum gets in place of an operand."""

    def met(self, value: Tensor) -> Tensor:
        """What an operation of the arguments gets in place of the function's own numbers in single precision."""


class Noise:
    """The noise of one copy: the same seed gives the same noise to the same sequence of tensors."""

    def __init__(self, size: Size, seed: int) -> None:
        self.size = size
        self._places = random.Random(seed)

    @property
    def reach(self) -> float:
        """The relative size of the noise."""
        return abs(self.size.relative)

    def result(self, value: Tensor, stored: "Stored") -> None:
        """A fresh result, changed in place."""
        if value.numel() == 0:
            return
        if self.size.relative:
            # A product, so that what is infinite stays so.
            value.mul_(self._draw(value, 1.0, self.size.relative))
            if stored.absolute:
                value.add_(self._draw(value, 0.0, self.size.relative))
        if self.size.additive:
            value.add_(self._draw(value, 0.0, self.size.additive))

    def operand(self, value: Tensor, operation: str) -> Tensor:
        """A copy of an operand of a sum, with noise of its own.

        What factorises or solves is stable for a matrix as a whole, not for its elements: noise there is relative to the largest.
        """
        if value.dim() < 2 or value.numel() == 0 or not operation.removeprefix("_").startswith(_MATRICES):
            return self.moved(value)
        largest = value.abs().amax((-2, -1), keepdim=True).to(value.dtype).expand_as(value)
        return value + (self.moved(largest) - largest)

    def met(self, value: Tensor) -> Tensor:
        """The numbers as they are."""
        return value

    def moved(self, value: Tensor) -> Tensor:
        """A copy with relative noise."""
        if value.numel() == 0 or not self.size.relative:
            return value
        return value * self._draw(value, 1.0, self.size.relative)

    def drawn(self, like: Tensor) -> Tensor:
        """The noise itself, ξ times its size."""
        return self._draw(like, 0.0, self.size.relative)

    def _draw(self, like: Tensor, middle: float, size: float) -> Tensor:
        """Middle + size · ξ, to be broadcast against `like`."""
        shape = like.shape
        if self.size.sharing is Sharing.ALL:
            shape = torch.Size((1,) * like.dim())
        elif self.size.sharing is Sharing.ROWS and like.dim() > 1:
            shape = torch.Size((1, *like.shape[1:]))
        return self._read(shape, pool_of(like.device.type, like.device.index, like.is_complex(), middle, size))

    def _read(self, shape: torch.Size, pool: Tensor) -> Tensor:
        parts, left = [], shape.numel()
        while left > 0:
            size = min(left, _POOL // 2)
            start = int(self._places.random() * (_POOL - size))
            parts.append(pool[start : start + size])
            left -= size
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).view(shape)


@lru_cache(maxsize=8)
def pool_of(kind: str, index: int | None, is_complex: bool, middle: float, size: float) -> Tensor:
    """A pool of numbers; of complex ones the noise is relative to the modulus, as products and transforms have it."""
    generator = torch.Generator().manual_seed(_SEED)
    numbers = torch.rand(_POOL, 2 if is_complex else 1, generator=generator, dtype=torch.float64) * 2 - 1
    numbers = torch.view_as_complex(numbers) if is_complex else numbers[:, 0].contiguous()
    return numbers.mul_(size).add_(middle).to(torch.device(kind) if index is None else torch.device(kind, index))
