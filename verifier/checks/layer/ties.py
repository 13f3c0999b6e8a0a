"""Ties and zeros: where the derivative jumps, a gradient must lie between the one-sided slopes.

Asked with cotangents of one sign: with both signs the one-sided slopes do not bound the subgradients. Two questions. Equal elements that
move together keep their ties, so the loss is smooth along such a direction and its slope is known: a gradient that is handed out to each
of two equal maxima is twice too large there, one that is shared or given to one of them is right. And each element alone must not claim
more than the larger, nor less than the smaller of its one-sided slopes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.layer.asking import Answered, LayerAsking
from verifier.contracts.layer.drawing import LayerProblem
from verifier.oracles.finite_difference.ladder import KAPPA
from verifier.oracles.finite_difference.noise import machine_epsilon

STEPS = (2.0**-7, 2.0**-8, 2.0**-9)  # drawn ties are whole numbers, so that no step meets another one
MOST_ELEMENTS = 64
NOISE = 64.0  # last bits of the loss that a slope may be off
GROUPS = 3  # directions in which equal elements move together


@dataclass(frozen=True)
class Misplaced:
    """A gradient outside of the one-sided slopes.

    Attributes:
        array: whose gradient; `index` the element, None where equal elements moved together.
        claimed: slope that the gradient claims along the direction.
        low, high: the one-sided slopes.
        tolerance: of these.
        together: whether all elements moved alike.
    """

    array: str
    index: tuple[int, ...] | None
    claimed: float
    low: float
    high: float
    tolerance: float
    together: bool = False

    @property
    def excess(self) -> float:
        """How far outside it is."""
        return max(self.claimed - self.high, self.low - self.claimed)


def misplaced(asking: LayerAsking, problem: LayerProblem, answered: Answered, *, seed: int, elements: bool, inside: str) -> list[Misplaced]:
    """Where the gradients of a problem with ties, the last one asked with cotangents of one sign, are outside of the one-sided slopes."""
    gradients = {
        name: gradient
        for name, gradient in answered.gradients.items()
        if gradient is not None and gradient.shape == problem.arrays[name].shape and np.isfinite(gradient).all() and gradient.size
    }
    lines = [line for name in gradients for line in _grouped(name, problem, seed)]
    if elements:
        lines += [line for name, gradient in gradients.items() for line in _single(name, gradient, problem)]
    if not lines:
        return []
    steps = [*STEPS, *(-step for step in STEPS)]
    flat = {name: answered.cotangents[name].ravel() for name in asking.outputs}
    losses = asking.along([({name: along}, steps) for name, _, along in lines], flat)
    center = sum(float((answered.cotangents[name] * answered.outputs[name]).sum()) for name in asking.outputs)
    level = sum(float(np.abs(answered.cotangents[name] * answered.outputs[name]).sum()) for name in asking.outputs)
    epsilon = machine_epsilon(np.float32 if inside == "float32" else np.float64)
    found = []
    for (name, index, along), values in zip(lines, losses, strict=True):
        # Outputs that are 0 here are not a step further on: their rounding is of the size that they have there.
        further = STEPS[0] * float(np.abs(gradients[name] * along).sum())
        noise = NOISE * epsilon * max(level, further, 1e-300)
        judged = _judge(float((gradients[name] * along).sum()), np.asarray(values), center, noise, smooth_only=not elements)
        if judged is not None:
            found.append(Misplaced(name, index, *judged, together=index is None and bool((along == 1).all())))
    return found


def _judge(
    claimed: float, losses: FloatArray, center: float, noise: float, *, smooth_only: bool
) -> tuple[float, float, float, float] | None:
    """(claimed, low, high, tolerance) where the claim lies outside; None where it does not, or where the slopes are not known.

    `smooth_only`: not where the two slopes differ, since of an unknown function they need not bound what is right.
    """
    right, right_error = _one_sided(losses[: len(STEPS)], center)
    left, left_error = _one_sided(losses[len(STEPS) :], center)
    low, high = min(right, -left), max(right, -left)
    tolerance = KAPPA * (max(right_error, left_error) + noise / STEPS[-1])
    if not np.isfinite([low, high, tolerance]).all() or (smooth_only and high - low > tolerance):
        return None
    return (claimed, low, high, tolerance) if claimed > high + tolerance or claimed < low - tolerance else None


def _one_sided(losses: FloatArray, center: float) -> tuple[float, float]:
    """The slope on one side by extrapolation, and how far the last two extrapolations differ."""
    slopes = [(float(loss) - center) / step for loss, step in zip(losses, STEPS, strict=True)]
    better = [2 * fine - coarse for coarse, fine in pairwise(slopes)]
    return better[-1], abs(better[-1] - better[-2])


_Direction = tuple[str, tuple[int, ...] | None, FloatArray]


def _grouped(name: str, problem: LayerProblem, seed: int) -> Sequence[_Direction]:
    """Directions in which elements that are equal move by the same amount."""
    array = problem.arrays[name]
    levels, places = np.unique(array, return_inverse=True)
    found: list[_Direction] = []
    for copy in range(GROUPS):
        generator = np.random.default_rng([seed, problem.index, copy])
        if copy == 0:  # all move alike: whoever hands a gradient out twice claims too much
            found.append((name, None, np.ones(array.shape)))
            continue
        moves = generator.uniform(0.5, 1.0, size=len(levels)) * np.where(generator.random(len(levels)) < 0.5, -1.0, 1.0)
        found.append((name, None, moves[places].reshape(array.shape)))
    return found


def _single(name: str, gradient: FloatArray, problem: LayerProblem) -> Sequence[_Direction]:
    """Directions of single elements: all, or as many as are asked for, evenly spread."""
    positions = np.unique(np.linspace(0, gradient.size - 1, min(gradient.size, MOST_ELEMENTS)).astype(int))
    found: list[_Direction] = []
    for position in positions.tolist():
        along = np.zeros(gradient.shape)
        along.flat[position] = 1.0
        found.append((name, tuple(int(axis) for axis in np.unravel_index(position, gradient.shape)), along))
    return found
