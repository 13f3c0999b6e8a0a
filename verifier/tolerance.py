"""A bound for each element, where it comes from, and the comparison with it. No fixed relative or absolute tolerance stands anywhere.

A gradient is held to what last-bit errors everywhere can do to it (its *scatter*, see `oracles.scatter`), times a safety factor
that was measured, growing with the length of the longest sum.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from verifier.arrays import FloatArray

SAFETY = 32.0  # largest error ÷ scatter of right code: 6.6 in 200,345 gradients, benchmarks/calibration; 18.9 in 1.6 million before
FLOOR = 0.05  # an element counts as at least this part of its tensor's largest: few copies sample it, and may all be small by chance
FREE_LENGTH = 256  # longest sum that SAFETY covers; beyond, rounding grows as √n, benchmarks/long_sums

SOURCE = "32 x rounding scatter"


@dataclass(frozen=True)
class Comparison:
    """The worst element of a tensor: where it is, what was claimed, what is right, and the tolerance that it was held to.

    `ratio` = error ÷ tolerance (infinite where the claim is not finite); `resolves` = the largest tolerance of the tensor
    relative to its largest element: errors above that would have been seen. `zeros_pass`: whether zeros would have been within, too.
    """

    error: float
    tolerance: float
    ratio: float
    index: tuple[int, ...]
    claimed: float
    reference: float
    resolves: float
    zeros_pass: bool

    @property
    def within(self) -> bool:
        """Whether no element departs by more than its tolerance."""
        return self.ratio <= 1.0


def safety(longest: int) -> float:
    """S · max(1, √(n / 256)), n the longest batch or fan-in."""
    return SAFETY * max(1.0, sqrt(longest / FREE_LENGTH))


def element_tolerance(scatter: FloatArray, longest: int) -> FloatArray:
    """The tolerance of each element of a tensor with this scatter (both in the tensor's own units and shape)."""
    if scatter.size == 0:
        return scatter
    tolerance: FloatArray = safety(longest) * np.maximum(scatter, FLOOR * scatter.max())
    return tolerance


def compare(claimed: FloatArray, reference: FloatArray, tolerance: FloatArray) -> Comparison | None:
    """The element of largest error ÷ tolerance, or None for tensors without elements. All three have one shape."""
    if reference.size == 0:
        return None
    with np.errstate(all="ignore"):
        error = np.abs(claimed - reference)
        ratio = np.where(error == 0, 0.0, error / tolerance)
    worst = int(np.argmax(ratio))  # a NaN, where there is one: the error of what is not finite
    largest_ratio = float(ratio.flat[worst])
    index = tuple(int(i) for i in np.unravel_index(worst, reference.shape))
    largest = float(np.max(np.abs(reference)))
    return Comparison(
        error=float(error.flat[worst]),
        tolerance=float(tolerance.flat[worst]),
        ratio=largest_ratio if largest_ratio == largest_ratio else np.inf,
        index=index,
        claimed=float(claimed.flat[worst]),
        reference=float(reference.flat[worst]),
        resolves=float(np.max(tolerance)) / largest if largest > 0 else 0.0,
        zeros_pass=bool((np.abs(reference) <= tolerance).all()),
    )
