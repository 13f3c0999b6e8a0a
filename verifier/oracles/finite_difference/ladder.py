"""The slope of a loss along a line at its middle, from a ladder of central differences, with a bound on its error.

Differences D_k at steps h_k, each a quarter of the one before, are extrapolated in pairs (Richardson). Each extrapolation R_k gets
a bound E_k: what the extrapolation changed, what noise of the loss can do, and what curvature shows of a kink or a plateau. Lepski's
rule then chooses. The values may be those of a residual (loss minus what the claimed gradient predicts); the slope is then the error
of the claim.
docs/finite_difference.md derives the bound; benchmarks/slope_coverage.py measures how often it holds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from verifier.arrays import FloatArray

REFINEMENT = 4.0  # ratio of successive steps; central differences then extrapolate with (16 D_{k+1} - D_k) / 15
KAPPA = 8.0  # safety on E, in Lepski's rule and in the verdict: 0 false alarms, benchmarks/slope_coverage.py
STEPS_FLOAT64 = 7  # h_0 .. h_0 / 4096
STEPS_FLOAT32 = 4  # below h_0 / 64 the noise of single precision hides everything


@dataclass(frozen=True)
class Slope:
    """A slope and how far to trust it.

    Attributes:
        value: the extrapolated slope at the middle of the line, in loss per unit of the line; NaN where nothing could be estimated.
        error_bound: E, before the safety factor `KAPPA`; infinite where nothing could be estimated.
        step: the finer of the two steps that it was extrapolated from.
        steps, differences: every h_k that could be used, coarsest first, and its D_k.
    """

    value: float
    error_bound: float
    step: float
    steps: tuple[float, ...]
    differences: tuple[float, ...]


def ladder_steps(first: float, dtype: DTypeLike) -> FloatArray:
    """The steps h_k = first / 4^k of the ladder, coarsest first: 7 for float64, 4 for narrower types."""
    count = STEPS_FLOAT64 if np.dtype(dtype).itemsize >= 8 else STEPS_FLOAT32
    return first / REFINEMENT ** np.arange(count)


def estimate_slope(losses: FloatArray, steps: FloatArray, *, center: float, noise: float | FloatArray) -> Slope:
    """Slope at the middle of the line, with a bound on its error.

    Args:
        losses: values at -h_k and +h_k, float64, shape (steps, 2).
        steps: h_k, float64, shape (steps,), each a quarter of the one before.
        center: the value at 0.
        noise: absolute noise of the values, one number or one for each step (see `loss_noise` and `noise_by_step`).
    Returns:
        The slope chosen by Lepski's rule. Steps at and beyond a value that is not finite are left out; with fewer than two
        left, or no finite `center`, the slope is NaN with an infinite bound.
    Source: Richardson (1911) for the extrapolation; Lepski (1991) for the choice; docs/finite_difference.md for the bound.
    """
    noises = np.broadcast_to(np.asarray(noise, dtype=np.float64), steps.shape)
    start = _first_usable(losses, noises)
    losses, steps, noises = losses[start:], steps[start:], noises[start:]
    if len(steps) < 2 or not np.isfinite(center):
        return Slope(float("nan"), float("inf"), float("nan"), tuple(steps.tolist()), ())
    differences = (losses[:, 1] - losses[:, 0]) / (2 * steps)
    slopes = (16 * differences[1:] - differences[:-1]) / 15
    bounds = _error_bounds(losses, steps, center, noises, differences, slopes)
    chosen = _lepski(slopes, bounds)
    return Slope(
        value=float(slopes[chosen]),
        error_bound=max(float(bounds[chosen]), _contradiction(slopes, bounds, chosen)),
        step=float(steps[chosen + 1]),
        steps=tuple(steps.tolist()),
        differences=tuple(differences.tolist()),
    )


def _first_usable(losses: FloatArray, noises: FloatArray) -> int:
    """Index of the coarsest step such that it and all finer ones have finite values."""
    unusable = np.flatnonzero(~(np.isfinite(losses).all(axis=1) & np.isfinite(noises)))
    return int(unusable[-1]) + 1 if len(unusable) else 0


def _error_bounds(
    losses: FloatArray, steps: FloatArray, center: float, noises: FloatArray, differences: FloatArray, slopes: FloatArray
) -> FloatArray:
    """E_k of each R_k: how little it moved, the noise carried through it, and the curvature term.

    |R_k - D_{k+1}| estimates the error of D_{k+1} and |R_k - R_{k-1}| that of R_{k-1}; both are far above that of R_k (by 1/h^2 and by
    256 where the series has set in), so the smaller will do: it is wrong only where the error does not fall at all from step to step.
    """
    moved = np.abs(slopes - differences[1:])
    moved[1:] = np.minimum(moved[1:], np.abs(np.diff(slopes)))
    rounding = noises / steps  # |D_k - its exact value|: two values, divided by 2h
    propagated = (16 * rounding[1:] + rounding[:-1]) / 15
    return moved + propagated + _curvature(losses, steps, center, noises)


def _curvature(losses: FloatArray, steps: FloatArray, center: float, noises: FloatArray) -> FloatArray:
    """What the second differences A(h) = (f(h) - 2 f(0) + f(-h)) / h show beyond a parabola and noise, over two successive pairs.

    On a parabola A is proportional to h, so A_k - 4 A_{k+1} is of third order in h; at a kink, and where a plateau ends, it is as large
    as the slopes are, while the central differences may agree with one another.
    """
    bends = (losses[:, 1] - 2 * center + losses[:, 0]) / steps
    noise_of_bend = 4 * noises / steps
    excess = np.abs(bends[:-1] - REFINEMENT * bends[1:]) - (noise_of_bend[:-1] + REFINEMENT * noise_of_bend[1:])
    excess = np.maximum(excess, 0.0)
    over_two_pairs: FloatArray = np.maximum(excess, np.append(excess[1:], 0.0))
    return over_two_pairs


def _lepski(slopes: FloatArray, bounds: FloatArray) -> int:
    """Index of the slope with the least bound among those, from the finest up, whose intervals all meet one another.

    A plain minimum over the table would prefer a step at which the differences agree by accident.
    """
    low, high = slopes - KAPPA * bounds, slopes + KAPPA * bounds
    common_low, common_high = -np.inf, np.inf
    kept: list[int] = []
    for index in range(len(slopes) - 1, -1, -1):
        common_low, common_high = max(common_low, low[index]), min(common_high, high[index])
        if common_low > common_high:
            break
        kept.append(index)
    return min(kept, key=lambda index: bounds[index])


def _contradiction(slopes: FloatArray, bounds: FloatArray, chosen: int) -> float:
    """The bound at which the chosen slope meets all others, coarser ones included; no larger than its own where the ladder agrees.

    Where coarser steps contradict finer ones the noise is not understood: a loss computed in a narrower type than claimed is constant over
    small steps, and nothing but the coarse steps shows that. Adding a linear function changes no contradiction, so no wrong gradient hides.
    """
    return float((np.abs(slopes - slopes[chosen]) / KAPPA - bounds).max())
