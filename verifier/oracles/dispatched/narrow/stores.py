"""Where a narrow type rounds: at its stores. Which results are stored is the precision; what is not is in float32, as kernels compute.

`kernel`: everything inside in float32, outputs and gradients stored. `operands`: also what enters a product of matrices or a convolution
is narrow, as tensor cores take it (TF32 is this with float32 as the type). `eager`: every operation's result is stored, as PyTorch runs
a function line by line. `accumulate`: the primitives' results too, and every partial sum.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from verifier.oracles.dispatched.noise import Noise, Sharing, Size, Stored

_INSIDE = 2.0**-24
_TF32 = 2.0**-10

# Contractions: what enters them is what tensor cores round.
_CONTRACTIONS = frozenset(
    ["mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot", "vdot", "convolution", "convolution_backward", "_trilinear"]
)
# PyTorch's CUDA kernels compute these in the narrow type itself: 1 - y * y rounds twice more.
_ROUND_INSIDE = frozenset(["sigmoid_backward", "tanh_backward"])
# Their other results are statistics that are kept in float32.
_KEEP_STATISTICS = frozenset(
    """
    native_layer_norm native_group_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_functional _fused_rms_norm
    _native_batch_norm_legit_no_training _batch_norm_with_update _batch_norm_with_update_functional
    """.split()  # noqa: SIM905
)


class Precision(StrEnum):
    """What of a computation is stored in the narrow type, from the least to the most."""

    KERNEL = "kernel"
    OPERANDS = "operands"
    EAGER = "eager"
    ACCUMULATE = "accumulate"

    @property
    def decomposed(self) -> bool | frozenset[str]:
        """Which operations are taken apart: what PyTorch runs as one stores once, but for these."""
        return _ROUND_INSIDE if self is Precision.EAGER else True


@dataclass(frozen=True)
class Grid:
    """The numbers of a type near a number: their distance, relative and at the least."""

    dtype: torch.dtype

    def half_ulp(self, value: Tensor) -> Tensor:
        """Half the distance of the type's numbers around each value; what a store may be off by."""
        limits = torch.finfo(self.dtype)
        epsilon = _TF32 if self.dtype is torch.float32 else limits.eps
        exponent = torch.frexp(torch.clamp(value.abs(), min=limits.smallest_normal)).exponent
        return torch.ldexp(torch.full_like(value, epsilon / 4), exponent)

    def nearest(self, value: Tensor) -> Tensor:
        """Each value rounded to the type's nearest, ties to even."""
        if self.dtype is torch.float32:
            spacing = 2 * self.half_ulp(value)
            return torch.round(value / spacing) * spacing
        return value.to(self.dtype).to(value.dtype)

    def cut(self, value: Tensor) -> Tensor:
        """Each value without the digits that the type has no room for."""
        spacing = 2 * self.half_ulp(value)
        return torch.trunc(value / spacing) * spacing


class Stores:
    """A disturbance: stores of a narrow type, with noise of half an ulp each, or (`seed` None) to the nearest, or cut.

    Args:
        dtype: bfloat16, float16, or float32 for TF32's operands.
        cut: whether digits that there is no room for are left out, as tensor cores do with float32 that nobody rounded for them.
        sharing: the rows' where they are equal, and are rounded alike.
    """

    def __init__(
        self, dtype: torch.dtype, precision: Precision, seed: int | None, *, cut: bool = False, sharing: Sharing = Sharing.NONE
    ) -> None:
        self._grid, self._precision, self._nearest, self._cut = Grid(dtype), precision, seed is None, cut
        self._inside = Noise(Size(_INSIDE, sharing=sharing), seed or 0)
        self._unit = Noise(Size(1.0, sharing=sharing), (seed or 0) + 1)
        self.contracts = False  # whether a contraction was met: without one, `operands` is `kernel`

    @property
    def reach(self) -> float:
        """The relative distance of two neighbours of the stored type."""
        return float(torch.finfo(self._grid.dtype).eps)

    def result(self, value: Tensor, stored: Stored) -> None:
        """Round a result in place where this profile stores it; add the accumulator's own rounding where the profile has one."""
        if value.numel() == 0:
            return
        statistics = self._precision is Precision.EAGER and stored.position and stored.operation in _KEEP_STATISTICS
        if not self._is_line_by_line or stored.own or statistics:
            if not self._nearest:
                self._inside.result(value, stored)
            return
        value.copy_(self.store(value))
        if self._precision is Precision.ACCUMULATE and stored.terms > 1 and not self._nearest:
            value.add_(self._off(value), alpha=float((stored.terms / 3) ** 0.5))

    @property
    def _is_line_by_line(self) -> bool:
        return self._precision in (Precision.EAGER, Precision.ACCUMULATE)

    def met(self, value: Tensor) -> Tensor:
        """Line by line, the function's own numbers are rounded once: angles are not, their cosines are."""
        return self._rounded(value) if self._is_line_by_line and value.numel() else value

    def operand(self, value: Tensor, operation: str) -> Tensor:
        """The operand as this profile's contraction or accumulator takes it."""
        if value.numel() == 0:
            return value
        self.contracts = self.contracts or operation in _CONTRACTIONS
        if self._precision is Precision.OPERANDS and operation in _CONTRACTIONS and not value.is_complex():
            return self._rounded(value)
        if self._precision is Precision.ACCUMULATE and not self._nearest:
            return value + self._off(value) * float((max(value.shape, default=1) / 2) ** 0.5)
        return value

    def store(self, value: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """A value as it is read back; of another type than the narrow one where its owner keeps it so."""
        if value.is_complex() or value.numel() == 0 or dtype == torch.float64:
            return value
        if dtype == torch.float32:
            return value if self._nearest else self._inside.moved(value)
        return self._rounded(value)

    def _rounded(self, value: Tensor) -> Tensor:
        if self._nearest:
            return self._grid.cut(value) if self._cut else self._grid.nearest(value)
        return value + self._off(value)

    def _off(self, value: Tensor) -> Tensor:
        """ξ · half an ulp; what is not finite stays."""
        ulp = torch.where(torch.isfinite(value), self._grid.half_ulp(value), 0.0)
        return ulp * self._unit.drawn(value)
