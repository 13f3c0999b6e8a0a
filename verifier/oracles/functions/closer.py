"""A closer look at what the lines of differences left open: each side of the point alone, in steps from large to very short.

Short steps stay within a smooth piece where there are jumps or kinks elsewhere; what lies outside of the function's domain is left out;
and where the two sides differ, the point is on a kink, which can then be named. One side's slopes are extrapolated, R = (4 D' - D) / 3,
with a bound as in `ladder`, and Lepski's rule chooses.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from verifier.arrays import FloatArray
from verifier.oracles.finite_difference.ladder import KAPPA
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.functions.wandering import FLOAT64_EPSILON

STEPS = 4.0 ** -np.arange(0.5, 17)  # of the input's own size: 1/2 … 2^-33
EXACT = 2.0**-17  # of the outputs: what contradicts the claim must be more than rounding of anything the outputs come from
HIDDEN_EXACT = 2.0**-40
SHORTEST = 2.0**-22  # of the input's own size: over shorter steps a part that cancelled may be straight between two of its stairs
STILL = 2.0**-12  # and over these it, or a narrow type, may not move at all
ROUGH = 0.25  # of how far the outputs move at all: over the shortest steps a function with a slope moves millions of times less
SHOWN = 0.05  # of the claim: where numbers cancel inside, only the longer steps show a right one, and this well
AGREEING = 4  # successive slopes, over steps of 1 to 256

Along = Callable[[float], float]
"""t -> the projected outputs at the point moved by t; NaN where the function cannot be asked."""


@dataclass(frozen=True)
class Side:
    """The slope to one side.

    Attributes:
        value, bound: the slope, and a bound on its error, infinite where it has none.
        step: the one that gave it.
        finer: over each shorter step, the slope and what noise alone can do to it.
        all: the slope over every step, with its bound.
    """

    value: float
    bound: float
    step: float
    finer: tuple[tuple[float, float], ...] = ()
    all: tuple[tuple[float, float], ...] = ()

    def comes_to(self, claimed: float, found: float) -> bool:
        """Whether shorter steps come nearer to the claim than to what was found, where noise could not carry them there.

        A bound is taken from a few slopes, and where a function turns within its steps they may agree by chance: over the shorter ones
        that follow, a claim that is right is what they come to (two of 500 right functions were accused without this).
        """
        near = [abs(slope - claimed) < abs(slope - found) for slope, noise in self.finer if 2 * KAPPA * noise < abs(claimed - found)]
        return any(near)

    def shows(self, claimed: float) -> bool:
        """Whether some step shows the claim to within `SHOWN`: then what other steps show says nothing against it."""
        return any(abs(slope - claimed) <= KAPPA * bound <= SHOWN * abs(claimed) for slope, bound in self.all)


@dataclass(frozen=True)
class Slopes:
    """Of one line through the point.

    Attributes:
        right, left: the one-sided slopes.
        still: the largest step up to which the outputs do not move at all; 0 where they do.
        on_stairs: whether they stand still for a short step only, to both sides (beside a kink one side goes on).
        level: how large the projected outputs are.
        on_the_edge: whether one side lies outside of the function's domain down to the shortest step.
        unseen_from: where the outputs move over the shortest steps as far as over long ones (sin(1e17 x)), all slopes agree on zero, which
            says nothing against a claim at least this large; infinite elsewhere.
    """

    right: Side
    left: Side
    still: float
    level: float
    on_the_edge: bool = False
    on_stairs: bool = False
    unseen_from: float = float("inf")

    @property
    def both(self) -> Side | None:
        """The slope, where both sides agree, or where only one of them lies in the function's domain; None on a kink."""
        if not np.isfinite(self.right.bound) or not np.isfinite(self.left.bound):
            return min(self.right, self.left, key=lambda side: side.bound)
        if abs(self.right.value - self.left.value) > KAPPA * (self.right.bound + self.left.bound):
            return None
        better = min(self.right, self.left, key=lambda side: side.bound)
        # Curvature is of opposite sign on the two sides: their mean is better than each of them.
        middle = (self.right.value + self.left.value) / 2
        return Side(middle, better.bound, better.step) if self.right.step == self.left.step else better

    @property
    def beside_the_edge(self) -> bool:
        """Whether one side can be known and the other cannot: what the function does there decides nothing about this point."""
        return np.isfinite(self.right.bound) != np.isfinite(self.left.bound) and not self.on_the_edge

    @property
    def at_a_kink(self) -> bool:
        """Whether the one-sided slopes do not agree here."""
        return self.both is None

    @property
    def shows_a_kink(self) -> bool:
        """Whether the sides differ by more than rounding inside could have moved the outputs by: in float32, or by noise of any kind."""
        bend = abs(self.right.value - self.left.value) * min(self.right.step, self.left.step)
        return self.at_a_kink and bend > max(EXACT * self.level, HIDDEN_EXACT)

    def contradict(self, claimed: float) -> bool:
        """Whether the claim is wrong: by more than the bound, and by more than rounding could have moved the outputs by."""
        found = self.both
        if found is None or not np.isfinite(found.bound) or self.beside_the_edge:
            return False
        if abs(claimed) >= self.unseen_from or found.step < SHORTEST or 0 < self.still < STILL:
            return False
        error = abs(claimed - found.value)
        if any(side.shows(claimed) or side.comes_to(claimed, found.value) for side in (self.right, self.left)):
            return False
        # Where nothing moves at all, numbers of size 1 inside may have been rounded away, and the claim may be what is left of them.
        level = max(self.level, 1.0) if self.still > 0 else self.level
        return error > KAPPA * found.bound and error * found.step > max(EXACT * level, HIDDEN_EXACT)

    def leave_open(self, claimed: float) -> float:
        """How far the claim may be from the slope: by the best step of both sides, or by one that shows the claim.

        The tread of a stair is flat whatever the gradient is: its slope of 0 says nothing.
        """
        found = self.both
        if found is None:
            return float("inf")
        if abs(claimed - found.value) <= KAPPA * found.bound and not self.on_stairs:
            return KAPPA * found.bound
        every = [one for side in (self.right, self.left) for one in side.all if abs(one[0] - claimed) <= KAPPA * one[1]]
        return min((abs(slope - claimed) + KAPPA * bound for slope, bound in every), default=float("inf"))

    def confirm(self, claimed: float) -> bool:
        """Whether the claim is right to 1 %; a claim of 0 is right where nothing moves."""
        found = self.both
        if claimed == 0 and self.still > 0:
            return True
        return found is not None and abs(claimed - found.value) <= KAPPA * found.bound <= DECISIVE * abs(claimed)


def slopes_along(along: Along, center: float, noise: float) -> Slopes:
    """Both one-sided slopes at the point, from at most 34 evaluations."""
    values = np.array([[along(float(sign * step)) for step in STEPS] for sign in (1.0, -1.0)])
    moved = np.abs(values - center)
    finer_too = np.logical_and.accumulate((moved == 0)[:, ::-1], axis=1)[:, ::-1]
    still = [float(STEPS[row].max(initial=0.0)) for row in finer_too]
    finite = np.abs(values[np.isfinite(values)])
    level = float(max(abs(center), np.median(finite) if len(finite) else 0.0))
    on_the_edge = bool((~np.isfinite(values)).all(axis=1).any())
    right, left = (_side(sign * (row - center), noise) for sign, row in zip((1.0, -1.0), values, strict=True))
    return Slopes(right, left, min(still), level, on_the_edge, min(still) > 0 and max(still) < STILL, _unseen_from(moved, noise))


def _unseen_from(moved: FloatArray, noise: float) -> float:
    shortest = moved[:, -AGREEING:].max(axis=1)
    if not (shortest > ROUGH * np.median(moved, axis=1)).any():
        return float("inf")
    # Noise is what the last bits of the inputs do to the outputs, which a claim of that size foretells.
    return 0.0 if shortest.max() > 2 * KAPPA * noise else noise / (KAPPA * FLOAT64_EPSILON)


def _side(moved: FloatArray, noise: float) -> Side:
    """From φ(t) - φ(0) at each step, coarsest first."""
    usable = np.isfinite(moved)
    start = len(STEPS) if not usable[-1] else int(np.flatnonzero(~usable)[-1]) + 1 if not usable.all() else 0
    steps, moved = STEPS[start:], moved[start:]
    if len(steps) < 3:
        return Side(float("nan"), float("inf"), float("nan"))
    differences = moved / steps
    slopes = (4 * differences[1:] - differences[:-1]) / 3
    apart = np.abs(slopes - differences[1:])
    apart[1:] = np.maximum(np.minimum(apart[1:], np.abs(np.diff(slopes))), apart[1:] / 16)
    noises = (4 * 2 * noise / steps[1:] + 2 * noise / steps[:-1]) / 3
    bounds = apart + noises
    chosen = _consistent(slopes, bounds)
    if chosen is None:
        return Side(float("nan"), float("inf"), float("nan"))
    finer = tuple(zip(slopes[chosen + 1 :].tolist(), noises[chosen + 1 :].tolist(), strict=True))
    every = tuple(zip(slopes.tolist(), bounds.tolist(), strict=True))
    return Side(float(slopes[chosen]), float(bounds[chosen]), float(steps[chosen + 1]), finer, every)


def _consistent(slopes: FloatArray, bounds: FloatArray) -> int | None:
    """Lepski's rule: of the intervals that meet one another, from the finest up, the narrowest.

    None where only the very finest agree: one tooth of a saw of rounding is as straight as a function can be.
    """
    low, high = -np.inf, np.inf
    kept: list[int] = []
    for index in range(len(slopes) - 1, -1, -1):
        low, high = max(low, slopes[index] - KAPPA * bounds[index]), min(high, slopes[index] + KAPPA * bounds[index])
        if low > high:
            break
        kept.append(index)
    return min(kept, key=lambda index: bounds[index]) if len(kept) >= AGREEING else None
