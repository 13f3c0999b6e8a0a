"""The noise of a loss: how far it may be from a smooth function where it is evaluated.

Three witnesses, of which the largest counts: the last bit of the loss itself; the reference's scatter of the loss under rounding
(a loss may sit on one plateau of its own rounding, where nothing can be measured); what seven near points show beside a straight
line (a sum in another order, a loss computed in a narrower type).
"""

import numpy as np
from numpy.typing import DTypeLike

from verifier.results.evaluation import FloatArray

NEAR_POINTS = 7  # as ECNoise, Moré & Wild (2012): enough to see noise, few enough to pay for
SCATTER_SAFETY = 4.0  # the scatter is the largest of a few perturbed copies
LINE_SAFETY = 2.0  # seven points with a fitted line show about half of the largest deviation


def machine_epsilon(dtype: DTypeLike) -> float:
    """Distance from 1 to the next larger number of the type."""
    return float(np.finfo(np.dtype(dtype)).eps)


def near_points(first: float, dtype: DTypeLike) -> FloatArray:
    """Seven equidistant points around 0, float64, the middle one 0.

    Spacing is first · 2^round(log2(√ε)) / 8, a power of two where `first` is one: curvature then bends the outermost by less than
    ε/14 of what it bends the first step, so what is left of a line is noise.
    """
    spacing = first * 2.0 ** np.round(np.log2(machine_epsilon(dtype)) / 2) / 8
    reach = NEAR_POINTS // 2
    points: FloatArray = spacing * np.arange(-reach, reach + 1, dtype=np.float64)
    return points


def loss_noise(losses: FloatArray, values: FloatArray, points: FloatArray, *, loss_scatter: float, dtype: DTypeLike) -> float:
    """Absolute noise of the loss at the middle of the near points.

    Args:
        losses: the loss at the near points, float64, shape (7,).
        values: the same, less what the claimed gradient predicts for the realised steps; equals `losses` where there is no claim.
        points: the near points, from `near_points`.
        loss_scatter: largest change of the reference's loss under relative perturbations of size u, divided by u.
        dtype: of the candidate's computation.
    Returns:
        The noise; infinite where a loss is not finite.
    """
    if not (np.isfinite(losses).all() and np.isfinite(values).all()):
        return float("inf")
    epsilon = machine_epsilon(dtype)
    last_bit = epsilon * float(np.abs(losses).max())
    return max(last_bit, SCATTER_SAFETY * epsilon * loss_scatter, LINE_SAFETY * _largest_residual_of_line(values, points))


def noise_by_step(losses: FloatArray, *, center: float, noise: float) -> FloatArray:
    """Noise at each step: that of the middle, times |loss there| / |loss in the middle| where the loss is larger there.

    A middle of exactly zero says nothing of the noise elsewhere (a squared error at its minimum): the whole loss is then taken for noise.

    Args:
        losses: at -h_k and +h_k, shape (steps, 2).
    """
    level: FloatArray = np.abs(losses).max(axis=1)
    noises: FloatArray = noise * np.maximum(1.0, level / abs(center)) if center else np.maximum(noise, level)
    return noises


def _largest_residual_of_line(values: FloatArray, points: FloatArray) -> float:
    """Largest distance of the values from their least-squares line; the points are symmetric about 0."""
    centered = values - values[NEAR_POINTS // 2]  # exact for close values: the fit must not add rounding of its own
    slope = float(points @ centered) / float(points @ points)
    return float(np.abs(centered - centered.mean() - slope * points).max())
