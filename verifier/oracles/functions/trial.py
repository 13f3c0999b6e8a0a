"""How far one may go along a direction, found by trial: there is no reference forward pass whose pre-activations could be watched.

The function is asked at ±h and ±h/4. An output that a Taylor series of low order describes moves four times as far at h as at h/4, and
bends sixteen times as much; what differs from that, relative to its whole move, is the *departure*. A kink departs wherever it is crossed.
"""

from collections.abc import Callable, Mapping

import numpy as np

from verifier.arrays import FloatArray
from verifier.oracles.finite_difference.ladder import REFINEMENT

LARGEST_DEPARTURE = 0.25  # sin departs by about this when its argument moves by 1, which is as far as the mlp contract goes
LARGEST_STEP = 1.0  # of an input's own size: further out even a flat function would be known better than its gradient can be computed
SMALL_SHARE = 1e-3  # an output that moves this little, relative to the one that moves most, may depart
LARGEST_GROWTH = 16.0  # of the noise with the outputs; an output of nearly zero says nothing of how it grows
NOISE_FACTOR = 64.0  # of the bends' comparison: 16 times a difference of four values, each with its last bit

Outputs = Callable[[Mapping[str, FloatArray], float], FloatArray]
"""(direction, t) -> all outputs at θ + t·v as one vector."""


def moves_of(outputs: Outputs, center: FloatArray, noise: FloatArray) -> Callable[[Mapping[str, FloatArray], float], tuple[float, bool]]:
    """`Moves` for `check_problem`: the largest departure of any output between ±t, as a multiple of the largest allowed.

    Args:
        outputs: asks the function along a line.
        center: all outputs at the middle.
        noise: of each output there.
    """

    def moves(direction: Mapping[str, FloatArray], step: float) -> tuple[float, bool]:
        if step > LARGEST_STEP:
            return float("inf"), False
        far = outputs(direction, step), outputs(direction, -step)
        near = outputs(direction, step / REFINEMENT), outputs(direction, -step / REFINEMENT)
        if not all(np.isfinite(values).all() for values in (*far, *near)):
            return float("nan"), False
        return _departure(center, far, near, noise) / LARGEST_DEPARTURE, False

    return moves


def _departure(center: FloatArray, far: tuple[FloatArray, FloatArray], near: tuple[FloatArray, FloatArray], noise: FloatArray) -> float:
    with np.errstate(all="ignore"):
        twice = 2 * center
        departed = np.abs(_less(far[0] - far[1], REFINEMENT, near[0] - near[1]))
        departed += np.abs(_less(far[0] - twice + far[1], REFINEMENT**2, near[0] - twice + near[1]))
        departed /= 2
        if (departed <= NOISE_FACTOR * noise).all():  # so it is over all short steps
            return 0.0
        whole = REFINEMENT * (np.abs(near[0] - center) + np.abs(near[1] - center)) / 2
        level = np.maximum.reduce([np.abs(values) for values in (center, *far, *near)])
        growth = np.where(level > np.abs(center), np.fmin(level / np.abs(center), LARGEST_GROWTH), 1.0)
        beyond_noise = np.maximum(departed - NOISE_FACTOR * growth * noise, 0.0)
        departure = np.where(beyond_noise == 0, 0.0, beyond_noise / (whole + SMALL_SHARE * whole.max(initial=0.0)))
    return float(departure.max(initial=0.0))


def _less(far: FloatArray, times: float, near: FloatArray) -> FloatArray:
    """far - times · near, in the memory of both."""
    near *= times
    far -= near
    return far
