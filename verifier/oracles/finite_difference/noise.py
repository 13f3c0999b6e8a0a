"""The noise of a loss: how far it may be from a smooth function where it is evaluated.

Several witnesses, of which the largest counts: the last bit of the loss itself; the reference's scatter of the loss under rounding
(a loss may sit on one plateau of its own rounding, where nothing can be measured); what seven near points show beside a smooth
curve (a long sum); the height of a stair, where the loss does not change at all over small steps. The last bit is that of the type
that the losses show: one computed in float32 inside a float64 program has 24 bits, whatever is claimed.
"""

import numpy as np
from numpy.typing import DTypeLike

from verifier.arrays import FloatArray

NEAR_POINTS = 7  # as ECNoise, Moré & Wild (2012): enough to see noise, few enough to pay for
SCATTER_SAFETY = 4.0  # the scatter is the largest of a few perturbed copies
FIT_SAFETY = 2.0  # what a cubic leaves of seven points of noise is about half of the noise
NARROWER_TYPES = (8, 11, 24)  # significant bits of bfloat16, float16, float32
WIDEST_STAIR = float(np.finfo(np.float16).eps)  # relative to the loss
CUBIC = 3  # degree: points far enough apart to leave a plateau of a narrower type need more than a straight line


def machine_epsilon(dtype: DTypeLike) -> float:
    """Distance from 1 to the next larger number of the type."""
    return float(np.finfo(np.dtype(dtype)).eps)


def next_epsilon(dtype: DTypeLike) -> float:
    """Machine epsilon of the next narrower type: float32 below float64, float16 below float32."""
    return machine_epsilon(np.float32 if np.dtype(dtype).itemsize >= 8 else np.float16)


def shown_epsilon(losses: FloatArray, dtype: DTypeLike) -> float:
    """Machine epsilon of the narrowest floating-point type that holds every one of these losses, at least that of `dtype`.

    A loss that is computed in float64 has its 24 last bits zero once in 2^24 times; that all have tells a narrower type.
    Losses that are all equal lie on a constant or on one stair; stairs come of a part computed in the next narrower type.
    """
    finite = losses[np.isfinite(losses)]
    if len(finite) and np.ptp(finite) == 0:
        return next_epsilon(dtype)
    mantissas, _ = np.frexp(finite)
    for bits in NARROWER_TYPES:
        if np.array_equal(np.round(mantissas * 2.0**bits), mantissas * 2.0**bits):
            return max(2.0 ** (1 - bits), machine_epsilon(dtype))
    return machine_epsilon(dtype)


def near_points(first: float, dtype: DTypeLike) -> FloatArray:
    """Seven equidistant points around 0, float64, the middle one 0.

    Spacing is first · ε^(1/4) / 4, rounded to a power of two: what a cubic cannot follow, the fourth order, then moves the outermost by
    less than ε/70 of what it moves the first step. Nearer points would see less noise: a loss computed in float32 inside a float64
    program is constant over steps of 1e-10.
    """
    spacing = first * 2.0 ** np.floor(np.log2(machine_epsilon(dtype)) / 4) / 4
    reach = NEAR_POINTS // 2
    points: FloatArray = spacing * np.arange(-reach, reach + 1, dtype=np.float64)
    return points


def loss_noise(losses: FloatArray, values: FloatArray, *, loss_scatter: float, epsilon: float) -> float:
    """Absolute noise of the loss at the middle of the near points.

    Args:
        losses: the loss at the near points, float64, shape (7,).
        values: the same, less what the claimed gradient predicts for the realised steps; equals `losses` where there is no claim.
        loss_scatter: largest change of the reference's loss under relative perturbations of size u, divided by u.
        epsilon: of the type that the losses are computed in, see `shown_epsilon`.
    Returns:
        The noise; infinite where a loss is not finite.
    """
    if not (np.isfinite(losses).all() and np.isfinite(values).all()):
        return float("inf")
    last_bit = epsilon * float(np.abs(losses).max())
    return max(last_bit, SCATTER_SAFETY * epsilon * loss_scatter, FIT_SAFETY * _roughness(values))


def noise_by_step(losses: FloatArray, *, center: float, noise: float) -> FloatArray:
    """Noise at each step: that of the middle, times |loss there| / |loss in the middle| where the loss is larger there.

    At most the whole loss: a middle of nearly zero says nothing of the noise elsewhere (a squared error at its minimum).

    Args:
        losses: at -h_k and +h_k, shape (steps, 2).
    """
    level: FloatArray = np.abs(losses).max(axis=1)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        growth = level / abs(center)
        noises: FloatArray = np.where(growth > 1, np.fmin(noise * growth, np.maximum(noise, level)), noise)
    return noises


def noise_of_stairs(losses: FloatArray, *, center: float, noise: float, growth: float) -> float:
    """The noise, where the loss does not change at all over small steps: at least its smallest change over larger ones.

    Where no step changes it, it is a constant or a stair wider than the ladder. Such stairs come from a part computed in the next
    narrower type, or from a loss stored in float16, so the noise is then that of these: a constant whose claimed gradient is plainly
    not zero still shows.

    Args:
        losses: at -h_k and +h_k, shape (steps, 2).
        noise: as measured in the middle.
        growth: the epsilon of the next narrower type, divided by that of which the noise is.
    """
    changes = np.abs(losses - center)
    flat = (changes == 0).all(axis=1)
    if not flat.any():
        return noise
    higher = changes[changes > 0]
    if not higher.size:  # it changes nowhere, but for steps out of the domain
        return max(noise * max(1.0, growth), WIDEST_STAIR * abs(center))
    return max(noise, float(higher.min()))


def _roughness(values: FloatArray) -> float:
    """Largest distance of equidistant values from their least-squares cubic."""
    centered = values - values[NEAR_POINTS // 2]  # exact for close values: the fit must not add rounding of its own
    return float(np.abs(_OFF_THE_CUBIC @ centered).max())


def _off_the_polynomial(degree: int) -> FloatArray:
    """The matrix that takes values at the near points to their distances from the least-squares polynomial."""
    positions = np.linspace(-1, 1, NEAR_POINTS)
    basis, _ = np.linalg.qr(np.vander(positions, degree + 1))
    projector: FloatArray = np.eye(NEAR_POINTS) - basis @ basis.T
    return projector


_OFF_THE_CUBIC = _off_the_polynomial(CUBIC)
