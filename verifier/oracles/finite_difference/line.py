"""One direction put to the test: the loss along a line, less what the claimed gradient predicts, must have slope zero.

The line is walked in realised steps: θ(t) as the candidate got it, rounded to its dtype, so that rounding of the parameters is no
error of the slope.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from verifier.arrays import FloatArray
from verifier.oracles.finite_difference.ladder import (
    KAPPA,
    Slope,
    estimate_slope,
    ladder_steps,
)
from verifier.oracles.finite_difference.noise import (
    NEAR_POINTS,
    loss_noise,
    near_points,
    next_epsilon,
    noise_by_step,
    noise_of_stairs,
    shown_epsilon,
)

Points = Callable[[Mapping[str, FloatArray], FloatArray], FloatArray]
"""(direction by tensor, steps t) -> losses φ(t) = loss(θ + t·v) in the candidate's dtype, as float64; tensors without a direction stay."""

Status = Literal["pass", "fail", "undecided"]

DECISIVE = 1e-2  # a direction that cannot see an error of 1 % of the tensor's largest gradient decides nothing


BLOCK = 2**17  # elements held at once, a megabyte: what a pass leaves in the processor's cache, the next one finds there


@dataclass(frozen=True)
class Middle:
    """What is known of the loss at the point itself: its value, its noise, the epsilon that it shows. Measured once a problem."""

    loss: float
    noise: float
    epsilon: float


@dataclass(frozen=True)
class DirectionResult:
    """What one direction says of the claimed gradient.

    Attributes:
        tensor: whose direction it is; "all" where it goes through several.
        status: `fail` where |error| > tolerance; else `pass` where every tensor that it goes through is decided, else `undecided`.
        error: estimated slope of the claim's error along the direction, true − claimed; NaN where nothing could be estimated.
        tolerance: κE; infinite where nothing could be estimated.
        resolves: the largest of `powers`.
        powers: by tensor, tolerance / (largest entry of its direction × its largest claimed gradient): an error of this size,
            relative to the tensor's largest element, would have been seen; infinite where the claimed gradient is zero.
        slope: how it was estimated. Its differences are of the residual.
        middle: loss and noise at the point.
        evaluations: how many losses were asked for.
        direction: v by tensor, so that another gradient g can be held against the same line: its error would be Σ (g - claimed)·v.
    """

    tensor: str
    status: Status
    error: float
    tolerance: float
    resolves: float
    powers: Mapping[str, float]
    slope: Slope
    middle: Middle
    evaluations: int
    direction: Mapping[str, FloatArray] = field(default_factory=dict, repr=False)


def check_direction(
    points: Points,
    theta: Mapping[str, FloatArray],
    gradients: Mapping[str, FloatArray],
    direction: Mapping[str, FloatArray],
    *,
    first: float,
    dtype: DTypeLike,
    loss_scatter: float,
    middle: Middle | None = None,
) -> DirectionResult:
    """Hold the claimed gradient against differences of the loss along one direction.

    Args:
        points: asks for losses along a line; called once.
        theta: the point, arrays in the candidate's dtype.
        gradients: claimed, float64, finite.
        direction: by tensor; tensors that are not named stay where they are.
        first: the coarsest step, see `first_step`.
        dtype: of the candidate's computation.
        loss_scatter: largest change of the reference's loss under relative perturbations of size u, divided by u.
        middle: loss and noise where they are known from another direction; else they are measured, at seven more points.
    """
    steps = ladder_steps(first, dtype)
    pairs = np.stack([-steps, steps], axis=1)
    near = near_points(first, dtype) if middle is None else np.empty(0)
    asked = np.concatenate([near, pairs.ravel()])
    losses = np.asarray(points(direction, asked), dtype=np.float64)
    if losses.shape != asked.shape:
        raise ValueError(f"asked for {len(asked)} losses along a line, got shape {losses.shape}")
    predicted, rounding = _predictions(theta, gradients, direction, asked, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        residuals = losses - predicted
        along = losses[len(near) :].reshape(-1, 2)
        if middle is None:
            middle = _measure_middle(losses, residuals, loss_scatter=loss_scatter, dtype=dtype)
        noise = noise_of_stairs(along, center=middle.loss, noise=middle.noise, growth=next_epsilon(dtype) / middle.epsilon)
        noises = noise_by_step(along, center=middle.loss, noise=noise) + rounding[len(near) :].reshape(-1, 2).max(axis=1)
        slope = estimate_slope(residuals[len(near) :].reshape(-1, 2), steps, center=middle.loss, noise=noises)
    powers = _powers(theta, gradients, direction, slope, dtype)
    return _result(direction, slope, powers, middle, len(asked))


def _measure_middle(losses: FloatArray, residuals: FloatArray, *, loss_scatter: float, dtype: DTypeLike) -> Middle:
    """From a line that begins with the near points."""
    near, values = losses[:NEAR_POINTS], residuals[:NEAR_POINTS]
    epsilon = shown_epsilon(losses, dtype)
    noise = loss_noise(near, values, loss_scatter=loss_scatter, epsilon=epsilon)
    return Middle(loss=float(near[NEAR_POINTS // 2]), noise=noise, epsilon=epsilon)


def _result(
    direction: Mapping[str, FloatArray], slope: Slope, powers: Mapping[str, float], middle: Middle, evaluations: int
) -> DirectionResult:
    tolerance = KAPPA * slope.error_bound
    resolves = max(powers.values())
    status: Status = "pass" if resolves <= DECISIVE else "undecided"
    if abs(slope.value) > tolerance:  # a NaN slope has an infinite tolerance
        status = "fail"
    return DirectionResult(_only(direction), status, slope.value, tolerance, resolves, powers, slope, middle, evaluations, direction)


def _realised_step(start: FloatArray, direction: FloatArray, step: float | FloatArray, dtype: DTypeLike) -> FloatArray:
    """θ(t) − θ in float64, with θ(t) rounded to the candidate's dtype as the worker rounds it. `start` is θ in float64."""
    moved = np.asarray(step * direction)
    moved += start
    realised: FloatArray = moved.astype(dtype, copy=False).astype(np.float64, copy=False)
    realised -= start
    return realised


def _predictions(
    theta: Mapping[str, FloatArray],
    gradients: Mapping[str, FloatArray],
    direction: Mapping[str, FloatArray],
    steps: FloatArray,
    dtype: DTypeLike,
) -> tuple[FloatArray, FloatArray]:
    """Σ ĝ·(θ(t) − θ) at each step, and what float64 may lose in that sum."""
    start, claimed, along = (_flat(arrays, direction) for arrays in (theta, gradients, direction))
    predicted, magnitude = np.zeros(len(steps)), np.zeros(len(steps))
    columns = max(1, BLOCK // max(1, len(steps)))
    for first in range(0, start.size, columns):
        part = slice(first, first + columns)
        terms = _realised_step(start[part], along[part], steps[:, None], dtype)
        terms *= claimed[part]
        predicted += terms.sum(axis=1)
        magnitude += np.abs(terms, out=terms).sum(axis=1)
    return predicted, magnitude * float(np.finfo(np.float64).eps)


def _flat(arrays: Mapping[str, FloatArray], names: Iterable[str]) -> FloatArray:
    """These arrays, one after another, as one vector of float64."""
    return np.concatenate([np.asarray(arrays[name], dtype=np.float64).ravel() for name in names])


def _powers(
    theta: Mapping[str, FloatArray],
    gradients: Mapping[str, FloatArray],
    direction: Mapping[str, FloatArray],
    slope: Slope,
    dtype: DTypeLike,
) -> dict[str, float]:
    """Smallest relative error that would have been seen, by tensor. A step that rounding swallows tests nothing."""
    powers = {}
    for name, along in direction.items():
        largest = float(np.abs(gradients[name]).max(initial=0.0))
        reach = float(np.abs(along).max(initial=0.0)) * _realised_share(theta[name], along, slope.step, dtype)
        sensitivity = reach * largest
        powers[name] = KAPPA * slope.error_bound / sensitivity if sensitivity > 0 else float("inf")
    return powers


def _realised_share(theta: FloatArray, along: FloatArray, step: float, dtype: DTypeLike) -> float:
    """How much of the intended step was left after rounding, at most 1."""
    if not np.isfinite(step):
        return 1.0
    flat, directed = np.asarray(theta, dtype=np.float64).ravel(), along.ravel()
    intended = moved = 0.0
    for first in range(0, flat.size, BLOCK):
        part = slice(first, first + BLOCK)
        difference = _realised_step(flat[part], directed[part], step, dtype) - _realised_step(flat[part], directed[part], -step, dtype)
        moved += float(np.abs(difference).sum())
        intended += float(np.abs(directed[part]).sum()) * 2 * step
    return min(1.0, moved / intended) if intended > 0 else 0.0


def _only(names: Iterable[str]) -> str:
    """The one name, or "all"."""
    several = list(names)
    return several[0] if len(several) == 1 else "all"
