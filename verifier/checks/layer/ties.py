"""Ties and zeros: where the derivative jumps, a gradient must lie between the one-sided slopes.

Asked with cotangents of one sign: with both signs the one-sided slopes do not bound the subgradients. Two questions. Equal elements that
move together keep their ties, so the loss is smooth along such a direction and its slope is known: a gradient that is handed out to each
of two equal maxima is twice too large there, one that is shared or given to one of them is right. And each element alone must not claim
more than the larger, nor less than the smaller of its one-sided slopes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.checks.layer.asking import Answered, LayerAsking, answer_patiently, claim_again
from verifier.checks.layer.own_noise import allowed_for, own_noise
from verifier.checks.layer.stairs import is_on_stairs
from verifier.contracts.layer.claims import LayerClaims
from verifier.contracts.layer.drawing import LayerProblem, redraw
from verifier.oracles.finite_difference.ladder import KAPPA
from verifier.oracles.finite_difference.noise import machine_epsilon

STEPS = (2.0**-7, 2.0**-8, 2.0**-9)  # drawn ties are whole numbers, so that no step meets another one
# Three slopes may agree by chance where the function turns within these steps, as a norm of equal elements does: what lies outside of
# them is asked again over shorter ones, and is right after all where those hold it to less than it was off.
NEARER = tuple(step / 2**8 for step in STEPS)
MOST_ELEMENTS = 64
NOISE = 64.0  # last bits of the loss that a slope may be off
GROUPS = 3  # directions in which equal elements move together
REDRAWN = 3  # times that other arrays are drawn without ties: by chance kinks nearly cancel there too


_Direction = tuple[str, tuple[int, ...] | None, FloatArray]


@dataclass(frozen=True)
class Misplaced:
    """A gradient outside of the one-sided slopes.

    Attributes:
        array: whose gradient; `index` the element, None where equal elements moved together.
        claimed: slope that the gradient claims along the direction.
        low, high: the one-sided slopes.
        tolerance: of these.
        together: whether all elements moved alike.
        along: the direction.
    """

    array: str
    index: tuple[int, ...] | None
    claimed: float
    low: float
    high: float
    tolerance: float
    together: bool = False
    along: FloatArray | None = field(default=None, compare=False, repr=False)

    @property
    def excess(self) -> float:
        """How far outside it is."""
        return max(self.claimed - self.high, self.low - self.claimed)

    @property
    def fits(self) -> bool:
        """Whether it lies between the slopes, as far as these are known."""
        return bool(self.excess <= self.tolerance)

    def stands(self, *, smooth_only: bool) -> bool:
        """Whether it lies outside; `smooth_only`: not where the two slopes differ, since of an unknown function they bound nothing."""
        known = bool(np.isfinite([self.low, self.high, self.tolerance]).all())
        return known and not self.fits and not (smooth_only and self.high - self.low > self.tolerance)


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
    judged = partial(_judged, asking, problem.arrays, answered, inside=inside)
    outside = [(line, one) for line, one in zip(lines, judged(lines, STEPS), strict=True) if one.stands(smooth_only=not elements)]
    if not outside:
        return []
    nearer = judged([line for line, _ in outside], NEARER)
    found = [one for (_, one), near in zip(outside, nearer, strict=True) if not (near.fits and near.tolerance < one.excess)]
    found = _beyond_its_noise(asking, problem, gradients, found)
    return found if elements else _by_its_own_ties(asking, problem, answered, found, seed=seed, inside=inside)


def _beyond_its_noise(
    asking: LayerAsking, problem: LayerProblem, gradients: Mapping[str, FloatArray], found: Sequence[Misplaced]
) -> list[Misplaced]:
    """Those that are off by more than their claim's own rounding."""
    again = partial(claim_again, asking, problem)
    noise = {
        name: allowed_for(own_noise(again, problem.arrays, tuple(gradients), name, gradients[name], alike=True))
        for name in dict.fromkeys(one.array for one in found)
    }
    if found:
        again(problem.arrays)  # whoever asks along a line goes on from the problem itself
    allowed = [0.0 if one.along is None else float((np.abs(one.along) * noise[one.array]).sum()) for one in found]
    return [one for one, more in zip(found, allowed, strict=True) if one.excess > one.tolerance + more]


def _judged(
    asking: LayerAsking,
    arrays: Mapping[str, Array],
    answered: Answered,
    lines: Sequence[_Direction],
    steps: Sequence[float],
    *,
    inside: str,
) -> list[Misplaced]:
    """The claimed slope along each line beside the one-sided ones, at the arrays of the last pass."""
    flat = {name: answered.cotangents[name].ravel() for name in asking.outputs}
    projected = np.concatenate([(answered.cotangents[name] * answered.outputs[name]).ravel() for name in asking.outputs])
    center, level = float(projected.sum()), float(np.abs(projected).sum())
    epsilon = machine_epsilon(np.float32 if inside == "float32" else np.float64)
    every = asking.along([({name: along}, [*steps, *(-step for step in steps)]) for name, _, along in lines], flat)
    found = []
    for (name, index, along), losses in zip(lines, every, strict=True):
        gradient = answered.gradients[name]
        assert gradient is not None
        # Outputs that are 0 here are not a step further on: their rounding is of the size that they have there.
        noise = NOISE * epsilon * max(level, steps[0] * float(np.abs(gradient * along).sum()), 1e-300)
        low, high, tolerance = _slopes(np.asarray(losses), center, steps, noise)
        # One that is read off as the step of a weight is right to that weight's last bit.
        tolerance += NOISE * epsilon * float(np.abs(arrays[name] * along).sum())
        together = index is None and bool((along == 1).all())
        found.append(Misplaced(name, index, float((gradient * along).sum()), low, high, tolerance, together=together, along=along))
    return found


def _by_its_own_ties(
    asking: LayerAsking, problem: LayerProblem, answered: Answered, found: Sequence[Misplaced], *, seed: int, inside: str
) -> list[Misplaced]:
    """Those that stand where no other array has ties or zeros, each time that these are drawn.

    Inside of a function of which nothing is known kinks may lie on a point of whole numbers by chance, as pre-activations of zero do, and
    where two of them cancel, the slopes agree with each other and with no subgradient.
    """
    kept = list(found)
    for copy in range(REDRAWN):
        for one in tuple(kept):
            others = _without_ties(asking.claims, problem, one.array, seed + copy)
            if others and not _stands_beside(others, asking, problem, one, inside):
                kept.remove(one)
    if found:
        answer_patiently(asking, problem, one_sign=True)  # whoever asks along a line goes on from the problem itself
    return kept


def _stands_beside(others: Mapping[str, Array], asking: LayerAsking, problem: LayerProblem, one: Misplaced, inside: str) -> bool:
    """Whether the gradient is outside of the slopes there too, with other arrays in the place of the problem's."""
    arrays = {**problem.arrays, **others}
    answered = answer_patiently(asking, problem, arrays=arrays, one_sign=True)
    if one.along is None or answered.gradients.get(one.array) is None:
        return False
    (again,) = _judged(asking, arrays, answered, [(one.array, one.index, one.along)], STEPS, inside=inside)
    return again.stands(smooth_only=True)


def _without_ties(claims: LayerClaims, problem: LayerProblem, name: str, seed: int) -> dict[str, Array]:
    """The other arrays of real numbers as they are drawn where none are equal."""
    drawn = redraw(claims, seed, replace(problem, stress=""), {})
    others = {} if drawn is None else drawn.arrays
    return {other: array for other, array in others.items() if other != name and array.dtype.kind == "f"}


def hidden(asking: LayerAsking, answered: Answered, misplaced: Misplaced) -> bool:
    """Whether rounding inside the layer makes stairs that may be why the slopes are not as claimed; of the problem that was asked last."""
    assert misplaced.along is not None
    cotangents = np.concatenate([answered.cotangents[name].ravel() for name in asking.outputs])
    outputs = np.concatenate([answered.outputs[name].ravel() for name in asking.outputs])
    return is_on_stairs(
        asking,
        {misplaced.array: misplaced.along},
        cotangents,
        size=1.0,  # ties are drawn of whole numbers
        level=float(np.abs(cotangents * outputs).sum()),
        claimed=misplaced.claimed,
        found=misplaced.high if misplaced.claimed > misplaced.high else misplaced.low,
    )


def _slopes(losses: FloatArray, center: float, steps: Sequence[float], noise: float) -> tuple[float, float, float]:
    """(low, high, tolerance) of the one-sided slopes; the tolerance is not finite where they are not known."""
    right, right_error = _one_sided(losses[: len(steps)], center, steps)
    left, left_error = _one_sided(losses[len(steps) :], center, steps)
    return min(right, -left), max(right, -left), KAPPA * (max(right_error, left_error) + noise / steps[-1])


def _one_sided(losses: FloatArray, center: float, steps: Sequence[float]) -> tuple[float, float]:
    """The slope on one side by extrapolation, and how far the last two extrapolations differ."""
    slopes = [(float(loss) - center) / step for loss, step in zip(losses, steps, strict=True)]
    better = [2 * fine - coarse for coarse, fine in pairwise(slopes)]
    return better[-1], abs(better[-1] - better[-2])


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
