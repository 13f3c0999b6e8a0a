"""Four numbers that an error is judged by, in units of the copies' standard deviation.

A single element, a row, a column, and the slope of the error on the right values (a factor of 1.005 is in no element, and in all).
Each is compared with the largest that a copy reaches: right code is one more copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Right code reached 3.8, 2.5, 2.5 and 1.7 times what a copy reaches, on CPUs and GPUs: benchmarks/narrow, benchmarks/device.
LIMITS = {"element": 5.0, "row": 5.0, "column": 5.0, "slope": 3.0}
FLOOR = 1e-3  # of the largest deviation: below, copies that agree exactly divide by nothing


@dataclass(frozen=True)
class Statistics:
    """Of one error: the largest element, the largest RMS of a row and of a column, the slope; each in standard deviations."""

    element: float
    row: float
    column: float
    slope: float

    def named(self) -> dict[str, float]:
        """Each statistic by its name."""
        return {"element": self.element, "row": self.row, "column": self.column, "slope": self.slope}


@dataclass(frozen=True)
class Yardstick:
    """What copies of a tensor show.

    Attributes:
        right: the value in float64.
        deviation: of each element over the copies.
        limits: the largest statistics of a copy, times `LIMITS`.
        judged: elements that are finite where numbers are rounded to the nearest: elsewhere the type overflows, whoever computes.
        middles: what errors are counted from, the least of them decides: the right value, and where digits may be cut what then comes out.
    """

    right: Array
    deviation: Array
    limits: Statistics
    judged: NDArray[np.bool_]
    middles: tuple[Array, ...]

    def statistics(self, claimed: Array) -> Statistics:
        """How far a claimed tensor is off, as the largest element, row, column and slope of its errors, in deviations."""
        return _statistics(claimed - self.right, self.right, self.deviation)

    def ratio(self, claimed: Array) -> tuple[float, str]:
        """The largest statistic ÷ its limit, and which it is; infinite where the claim is not finite and the right value is."""
        return min(self._ratio_from(middle, claimed) for middle in self.middles)

    def _ratio_from(self, middle: Array, claimed: Array) -> tuple[float, str]:
        if claimed.size == 0 or bool(np.all((claimed == self.right) | (np.isnan(claimed) & np.isnan(self.right)))):
            return 0.0, "element"
        if not np.isfinite(claimed[self.judged]).all():
            return float("inf"), "element"
        with np.errstate(invalid="ignore"):
            error = np.where(self.judged, claimed - middle, 0.0)
        found, limits = _statistics(error, self.right, self.deviation).named(), self.limits.named()
        ratios = {name: (value / limits[name] if limits[name] else (float("inf") if value else 0.0)) for name, value in found.items()}
        worst = max(ratios, key=lambda name: ratios[name])
        return ratios[worst], worst


def yardstick(right: Array, noisy: Sequence[Array], nearest: Array, cut: Array | None = None) -> Yardstick:
    """From the exact value, copies with noise, the one that rounds to nearest, and one whose digits are cut, where code may do that."""
    with np.errstate(all="ignore"):
        departures = [np.where(np.isfinite(copy - right), copy - right, 0.0) for copy in noisy]
        deviation = np.sqrt(np.mean([d * d for d in departures], axis=0)) if right.size else np.zeros(right.shape)
        deviation = np.maximum(deviation, FLOOR * deviation.max(initial=0.0))
        last = np.where(np.isfinite(nearest - right), nearest - right, 0.0)
    found = [_statistics(d, right, deviation) for d in (*departures, last)]
    largest = {name: limit * max(one.named()[name] for one in found) for name, limit in LIMITS.items()}
    judged = np.isfinite(right) & np.isfinite(nearest)
    return Yardstick(right, deviation, Statistics(**largest), judged, (right,) if cut is None else (right, cut))


def _statistics(error: Array, right: Array, deviation: Array) -> Statistics:
    if error.size == 0 or not error.any():
        return Statistics(0.0, 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):
        z = np.where(error == 0, 0.0, error / deviation)
        scaled = np.where(np.isfinite(right) & (deviation > 0), right / deviation, 0.0)
    z = np.where(np.isfinite(right), z, 0.0)
    table, values = (a.reshape(-1, a.shape[-1]) if a.ndim > 1 else a.reshape(1, -1) for a in (z, scaled))
    norm = float(np.sqrt(np.sum(values * values)))
    return Statistics(
        element=float(np.abs(table).max()),
        row=float(np.sqrt(np.mean(table * table, axis=1)).max()),
        column=float(np.sqrt(np.mean(table * table, axis=0)).max()),
        slope=abs(float(np.sum(table * values))) / norm if norm else 0.0,
    )
