"""A layer's claimed gradients against finite differences of its own forward pass: nothing but its values is needed, no claim.

`finite_difference.check_problem` asks along lines. In place of a reference's forward pass, the first step is found by trial, and the noise
is that of the outputs' last bits, what they wander when those of the inputs change, and a jump beside the point where there is one. A
failure stands only where it points at an element, by more than the claim itself wanders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.layer.asking import Answered, LayerAsking
from verifier.checks.layer.own_noise import ClaimAgain, allowed_for, own_noise
from verifier.checks.layer.stairs import is_on_stairs
from verifier.contracts.layer.drawing import LayerProblem
from verifier.oracles.finite_difference.directions import direction_for
from verifier.oracles.finite_difference.elements import WrongElement
from verifier.oracles.finite_difference.line import DECISIVE, DirectionResult
from verifier.oracles.finite_difference.noise import machine_epsilon
from verifier.oracles.finite_difference.problem import ProblemDifferences, check_problem
from verifier.oracles.functions.jumps import largest_jump
from verifier.oracles.functions.projection import scale_of
from verifier.oracles.functions.trial import moves_of
from verifier.oracles.functions.wandering import (
    FLOAT64_EPSILON,
    HIDDEN,
    JUMP,
    epsilon_shown_by,
    moved_inputs,
    size_seen,
    unseen_share,
)
from verifier.tolerance import SAFETY

LAST_BITS = (4.0, -4.0, 8.0, -8.0)
APART = 2.0**-22  # how far inputs move for the claim's own noise: its second differences there are noise, since bends are of the square
NEAR, FAR = 2.0**-12, 1.0
TRIED = tuple(2.0**exponent for exponent in (-8, -6, -4, -2, 0))  # steps that most trials of a first step come to, asked together
MOST_ALONE = 8


@dataclass
class Differenced:
    """What differences say of one problem.

    Attributes:
        wrong: the worst element of an array whose gradient is wrong, in the array's own units; None where none is.
        also_wrong: other arrays whose own direction fails.
        resolves: by array, the smallest error that would have been seen, relative to its largest element.
        doubtful: arrays about which differences contradict themselves.
        lines: those that failed, or else all.
    """

    wrong: WrongElement | None = None
    also_wrong: tuple[str, ...] = ()
    resolves: dict[str, float] = field(default_factory=dict)
    doubtful: list[str] = field(default_factory=list)
    lines: list[DirectionResult] = field(default_factory=list)

    @property
    def decided(self) -> tuple[str, ...]:
        """Arrays of which an error of 1 % would have been seen."""
        return tuple(name for name, power in self.resolves.items() if power <= DECISIVE)


def difference(
    asking: LayerAsking,
    problem: LayerProblem,
    answered: Answered,
    claim_again: ClaimAgain,
    *,
    seed: int,
    inside: str = "float64",
    every_tensor: bool = False,
    convicted: bool = False,
) -> Differenced:
    """Hold the gradients that were answered for a problem, the last one asked, against differences of its outputs.

    `convicted`: this layer's mistake stands on other problems already; then every tensor is asked, and no element is searched for.
    """
    gradients = {name: gradient for name, gradient in answered.gradients.items() if gradient is not None}
    finite = {name: gradient for name, gradient in gradients.items() if np.isfinite(gradient).all()}
    found = Differenced(resolves=dict.fromkeys(finite, float("inf")))
    live = {name: gradient for name, gradient in finite.items() if gradient.size}
    if not live:
        return found
    line = _Line(asking, problem, answered, claim_again, seed, inside, every_tensor)
    flat = {name: gradient for name, gradient in live.items() if line.is_zero(name, gradient)}
    steep = {name: gradient for name, gradient in live.items() if name not in flat}
    if convicted:
        line.settle_quickly(live, found)
        return found
    line.settle(steep, found)
    if found.wrong is None:
        line.settle(flat, found)
    return found


class _Line:
    """`check_problem` for some of the arrays of one problem, in variables that are scaled to size 1."""

    def __init__(
        self,
        asking: LayerAsking,
        problem: LayerProblem,
        answered: Answered,
        claim_again: ClaimAgain,
        seed: int,
        inside: str,
        every_tensor: bool,
    ) -> None:
        self._asking, self._problem, self._answered = asking, problem, answered
        self._claim_again, self._seed, self._every = claim_again, seed, every_tensor
        self._cotangent = np.concatenate([answered.cotangents[name].ravel() for name in asking.outputs])
        self._dtype: type[np.floating] = np.float32 if inside == "float32" else np.float64
        self._epsilon = machine_epsilon(self._dtype)
        moved: dict[str, FloatArray] = {name: np.asarray(problem.arrays[name], dtype=np.float64) for name in answered.gradients}
        self._scales = {name: scale_of(np.asarray(array, dtype=np.float64)) for name, array in moved.items()}
        self._theta: dict[str, FloatArray] = {
            name: np.asarray(array / self._scales[name], dtype=self._dtype) for name, array in moved.items()
        }
        self._kept: dict[float, FloatArray] = {}
        self._along: Mapping[str, FloatArray] = {}
        everywhere = {name: direction_for(1, 0, name, array.shape) for name, array in self._theta.items()}
        epsilon = self._epsilon
        steps = [NEAR, FAR, *(bits * epsilon for bits in LAST_BITS)]
        near, far, *nearby = self._outputs(everywhere, steps)
        center = np.concatenate([answered.outputs[name].ravel() for name in asking.outputs])
        shown = max(epsilon, epsilon_shown_by(near))
        wander = np.max([np.abs(copy - center) for copy in nearby], axis=0, initial=0.0)
        wander = np.where(np.isfinite(wander), wander, 0.0)
        level, rounding = self._level(center), shown * np.abs(center) + wander
        # Outputs that nothing moves show nothing: zeros are right for them, and so they are for any that rounding swallows.
        self._level_here = level
        self._largest = size_seen(self._level, far, center, rounding, 0.0 if np.isfinite(far).all() else level)
        self._scatter = (level * shown + self._level(wander)) / epsilon + HIDDEN
        self._moves = moves_of(self._one_of_four, center, rounding)

    def is_zero(self, name: str, gradient: FloatArray) -> bool:
        """Whether a claimed gradient is no larger than rounding of the outputs."""
        return float(np.abs(gradient * self._scales[name]).max(initial=0.0)) <= SAFETY * self._epsilon * self._level_here

    def settle(self, gradients: Mapping[str, FloatArray], found: Differenced) -> None:
        """Ask about these arrays together; one whose failure does not stand is left out and the others are asked again."""
        remaining = dict(gradients)
        for _ in range(MOST_ALONE):
            if not remaining:
                return
            asked = self._ask(remaining)
            if asked.status != "fail":
                found.lines += list(asked.directions)
                for name in remaining:
                    power = asked.resolves[name]
                    if not remaining[name].any() or np.isinf(power):
                        power = min(
                            (unseen_share(line, name, self._largest) for line in asked.directions if name in line.direction), default=power
                        )
                    found.resolves[name] = min(found.resolves[name], power)
                return
            if asked.element is not None and self._stands(asked.element, found):
                found.lines = [line for line in asked.directions if line.status == "fail"]
                failed = [name for name, status in asked.tensors.items() if status == "fail"]
                found.also_wrong = tuple(name for name in failed if found.wrong is not None and name != found.wrong.tensor)
                return
            alone = [name for name, status in asked.tensors.items() if status == "fail"]
            doubtful = [asked.element.tensor] if asked.element is not None else alone or list(remaining)
            found.doubtful += doubtful
            remaining = {name: gradient for name, gradient in remaining.items() if name not in doubtful}

    def settle_quickly(self, gradients: Mapping[str, FloatArray], found: Differenced) -> None:
        """Which arrays' own directions fail, without asking why."""
        if gradients:
            asked = self._check(gradients, 0.0, every_tensor=True, locate=False)
            found.also_wrong = tuple(name for name, status in asked.tensors.items() if status == "fail")
            found.resolves |= {name: power for name, power in asked.resolves.items() if name not in found.also_wrong}

    def _ask(self, gradients: Mapping[str, FloatArray]) -> ProblemDifferences:
        asked = self._check(gradients, 0.0)
        if asked.status != "fail":
            return asked
        failed = next(line for line in asked.directions if line.status == "fail")
        jump = largest_jump(lambda steps: self._losses(failed.direction, steps), failed.slope.steps[0], halvings_at_once=3)
        return self._check(gradients, jump / self._epsilon) if jump > JUMP * failed.middle.noise else asked

    def _check(
        self, gradients: Mapping[str, FloatArray], more_scatter: float, *, every_tensor: bool = False, locate: bool = True
    ) -> ProblemDifferences:
        return check_problem(
            self._losses,
            {name: self._theta[name] for name in gradients},
            {name: np.asarray(gradient * self._scales[name]) for name, gradient in gradients.items()},
            moves=self._moves,
            dtype=self._dtype,
            loss_scatter=self._scatter + more_scatter,
            seed=self._seed,
            index=self._problem.index,
            every_tensor=self._every or every_tensor,
            locate=locate,
        )

    def _outputs(self, direction: Mapping[str, FloatArray], steps: object) -> FloatArray:
        scaled = {name: along * self._scales[name] for name, along in direction.items()}
        return self._asking.outputs_along(scaled, np.asarray(steps, dtype=np.float64).tolist(), dtype=np.dtype(self._dtype).name)

    def _one_of_four(self, direction: Mapping[str, FloatArray], step: float) -> FloatArray:
        """Outputs at one point of the trial."""
        if step not in self._rows_known(direction):
            others = TRIED if not self._kept else ()
            self._fetch(direction, [sign * one for one in (abs(step), abs(step) / 4, *others) for sign in (1, -1)])
        return self._kept[step]

    def _rows_known(self, direction: Mapping[str, FloatArray]) -> Mapping[float, FloatArray]:
        """What is known of the last direction that was asked about."""
        if direction is not self._along:
            self._along, self._kept = direction, {}
        return self._kept

    def _fetch(self, direction: Mapping[str, FloatArray], steps: Sequence[float]) -> None:
        missing = [step for step in dict.fromkeys(steps) if step not in self._rows_known(direction)]
        if missing:
            self._kept |= dict(zip(missing, self._outputs(direction, missing), strict=True))

    def _losses(self, direction: Mapping[str, FloatArray], steps: FloatArray) -> FloatArray:
        """φ at each step, summed in extended precision: the projection's own rounding must not be the noise."""
        asked = np.asarray(steps, dtype=np.float64).tolist()
        self._fetch(direction, asked)
        rows = np.stack([self._kept[step] for step in asked])
        with np.errstate(all="ignore"):
            projected = (rows.astype(np.longdouble) * self._cotangent).sum(axis=1)
        return np.asarray(projected, dtype=np.float64)

    def _level(self, outputs: FloatArray) -> float:
        with np.errstate(all="ignore"):
            return float(np.linalg.norm(self._cotangent * outputs))

    def _is_on_stairs(self, element: WrongElement) -> bool:
        """Whether rounding inside makes stairs of the layer around the element, which may hide a slope as claimed."""
        theta = self._theta[element.tensor]
        along = np.zeros(theta.shape)
        along[element.index] = self._scales[element.tensor]
        return is_on_stairs(
            self._asking,
            {element.tensor: along},
            self._cotangent,
            size=abs(float(theta[element.index])) or 1.0,
            level=self._level_here,
            claimed=element.claimed,
            found=element.estimated,
        )

    def _stands(self, element: WrongElement, found: Differenced) -> bool:
        """Whether the error is more than the claim's own noise, such as that of sums in float32; keeps it where it is."""
        name, scale = element.tensor, self._scales[element.tensor]
        here = self._answered.gradients[name]
        assert here is not None
        wandered = np.zeros(here.shape)
        for both in zip(*(moved_inputs(self._problem.arrays, self._theta, by) for by in (APART, -APART)), strict=True):
            ahead, behind = (self._claim_again(moved).get(name) for moved in both)
            if ahead is not None and behind is not None and ahead.shape == behind.shape == here.shape:
                wandered = np.fmax(wandered, np.abs(ahead - 2 * here + behind))
        smooth = own_noise(self._claim_again, self._problem.arrays, tuple(self._theta), name, here)
        self._claim_again(self._problem.arrays)  # what is asked next is about the problem itself again
        allowed = max(float(allowed_for(one)[element.index]) for one in (wandered, smooth)) * scale
        if name in self._answered.rounded:
            allowed += machine_epsilon(self._answered.rounded[name]) * abs(float(here[element.index])) * scale
        if abs(element.estimated - element.claimed) <= element.tolerance + allowed:
            size = float(np.abs(here).max(initial=0.0)) * scale
            found.resolves[name] = min(found.resolves[name], (element.tolerance + allowed) / size if size else float("inf"))
            return False
        if self._is_on_stairs(element):
            return False
        found.wrong = WrongElement(name, element.index, element.claimed / scale, element.estimated / scale, element.tolerance / scale)
        return True


def shows_float32(answered: Answered, names: tuple[str, ...]) -> bool:
    """Whether all outputs hold 24 bits only although float64 went in, at a point that is nothing special."""
    values = np.concatenate([answered.outputs[name].ravel() for name in names])
    informative = values[np.isfinite(values) & (np.abs(values) != 1) & (values != 0)]
    return informative.size > 1 and epsilon_shown_by(informative) > FLOAT64_EPSILON
