"""The claimed gradient of a function against finite differences of its projection, where nothing but its values is known.

`finite_difference.check_problem` asks; three things stand here in place of the reference's forward pass that it has elsewhere. The first
step is found by trial (`trial`). The noise is that of the outputs' last bits, what they wander when those of the inputs change, and a
jump beside the point where there is one (`jumps`). And a failure stands only where it points at an element, by more than the claim itself
wanders: a gradient that is all rounding (of a softmax summed to 1) is known worse than differences of a constant are. What fails
otherwise is doubtful.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from verifier.arrays import FloatArray
from verifier.oracles.finite_difference.directions import SMALLEST_EXPONENT, direction_for
from verifier.oracles.finite_difference.elements import WrongElement
from verifier.oracles.finite_difference.ladder import KAPPA
from verifier.oracles.finite_difference.line import DECISIVE, DirectionResult
from verifier.oracles.finite_difference.noise import SCATTER_SAFETY
from verifier.oracles.finite_difference.problem import ProblemDifferences, check_problem
from verifier.oracles.functions.closer import EXACT, Slopes, slopes_along
from verifier.oracles.functions.differentiable import Arrays, Differentiable
from verifier.oracles.functions.jumps import largest_jump
from verifier.oracles.functions.projection import Projection
from verifier.oracles.functions.stairs import hidden_by_stairs
from verifier.oracles.functions.trial import moves_of
from verifier.oracles.functions.wandering import (
    COPIES,
    FLOAT64_EPSILON,
    HIDDEN,
    JUMP,
    MORE_BITS,
    epsilon_shown_by,
    moved_inputs,
    size_seen,
    unseen_share,
)
from verifier.tolerance import FLOOR, SAFETY

MOST_ALONE = 8  # inputs that are asked about alone where the directions through all do not decide them
LAST_BITS = 4.0  # of the inputs where the outputs are asked again
NOISY = 0.25  # of the outputs, moved by the inputs' last bits: no step is short enough to show a slope (1 / sin(1e17 x))
MOST_ELEMENTS = 24  # that a closer look asks about one by one
NEARLY_ZERO = 2.0**-6  # of a projection: beside it everything else would count as noisy
ROUNDING_SHARE = 2.0**-4  # a claim that wanders by as much of itself is rounding
FAR_BELOW = 0.25  # of the claim, what was found: then the claim is looked for over a still shorter step, over which
PART_MOVED = 2.0**-7  # of themselves is what the outputs move by if it is right, but no shorter than
STEP_BITS = 16.0  # last bits of the element
STAIR = 2.0**-10  # of the input's own size: nearer jumps may be the stairs of a part that cancelled
SMALLEST_STILL = 2.0**-12  # of the input's own size: over shorter steps a narrow type stands still too


@dataclass(frozen=True)
class Kink:
    """An element where the slope jumps, with the slope to either side, in the scaled variables."""

    index: tuple[int, ...]
    left: float
    right: float


@dataclass
class Findings:
    """What differences say, in the projection's scaled variables.

    Attributes:
        wrong: the worst element of an input whose gradient is wrong, or None.
        also_wrong: other inputs whose own direction fails.
        lines: every direction that was asked about and agrees.
        resolves: by input, the smallest error that would have been seen, relative to the largest element (where the claim is zero or
            rounding: relative to what the outputs move by).
        doubtful: inputs about which the differences contradict themselves.
        kinks: by input, an element whose two sides differ, by more than rounding.
        on_stairs: inputs along which rounding makes stairs that may hide the gradient claimed.
    """

    wrong: WrongElement | None = None
    also_wrong: tuple[str, ...] = ()
    lines: list[DirectionResult] = field(default_factory=list)
    resolves: dict[str, float] = field(default_factory=dict)
    doubtful: list[str] = field(default_factory=list)
    kinks: dict[str, Kink] = field(default_factory=dict)
    on_stairs: list[str] = field(default_factory=list)

    def failed(self) -> bool:
        """Whether an element was found wrong."""
        return self.wrong is not None


def difference(
    function: Differentiable, projection: Projection, gradients: Arrays, claim_again: Callable[[Arrays], Arrays], *, in_float64: bool
) -> tuple[Findings, "Asking"]:
    """Hold gradients against differences.

    Args:
        gradients: claimed, of the scaled variables, finite.
        claim_again: the claim (not scaled) at other inputs.
        in_float64: whether the function is asked in float64.
    Returns:
        What was found, and who asked, for slopes of single elements.
    """
    asking = Asking(function, projection, gradients, claim_again, in_float64)
    found = Findings(resolves={name: 0.0 if not gradient.size else float("inf") for name, gradient in gradients.items()})
    live = {name: gradient for name, gradient in gradients.items() if gradient.size}
    flat_ones = {name: gradient for name, gradient in live.items() if asking.is_zero(name, gradient)}
    steep = {name: gradient for name, gradient in live.items() if name not in flat_ones}
    asking.ask_until_settled(steep, found)
    if not found.failed():
        asking.ask_until_settled(flat_ones, found)
    for name in flat_ones:
        shares = [unseen_share(line, name, asking.largest) for line in found.lines if name in line.direction]
        found.resolves[name] = min(shares, default=float("inf"))
    open_ones = [name for name in live if not found.resolves[name] <= DECISIVE and name not in found.doubtful]
    for name in open_ones[:MOST_ALONE]:
        if not found.failed() and name not in flat_ones:
            asking.ask_until_settled({name: gradients[name]}, found)
    for name in [name for name in live if not found.resolves[name] <= DECISIVE or name in found.doubtful][:MOST_ALONE]:
        if not found.failed():
            asking.look_closer(name, gradients[name], found)
    found.on_stairs = asking.on_stairs
    return found, asking


class Asking:
    """`check_problem` for some of the inputs of one function."""

    def __init__(
        self,
        function: Differentiable,
        projection: Projection,
        gradients: Arrays,
        claim_again: Callable[[Arrays], Arrays],
        in_float64: bool,
    ) -> None:
        self._function, self._projection, self._claim_again = function, projection, claim_again
        self._dtype = np.float64 if in_float64 else np.float32
        self._epsilon = FLOAT64_EPSILON if in_float64 else function.epsilon
        center = projection.outputs({}, 0.0)
        everywhere = {name: direction_for(1, 0, name, gradient.shape) for name, gradient in gradients.items()}
        shown = max(self._epsilon, epsilon_shown_by(projection.outputs(everywhere, 2.0**-12)))
        far = projection.outputs(everywhere, 1.0)
        self._level, further = projection.level(center), projection.level(far)
        largest = max(self._level, further if np.isfinite(further) else 0.0)
        wander = self._wander_of_outputs(center)
        wandering = projection.level(wander)
        # Where nothing moves, a slope of 1 must be seen beside the outputs' last bit: constants are, what 1e17 swallows is not.
        slope_of_one = max(projection.scales.values(), default=0.0)
        self.largest = size_seen(projection.level, far, center, shown * np.abs(center) + wander, min(largest, slope_of_one))
        self._is_noise = wandering > NOISY * largest
        self._scatter = (self._level * shown + wandering) / self._epsilon + HIDDEN
        # Not with HIDDEN: an output that is small and true may still turn within its noise, and then the first step must be short.
        self._strictly = moves_of(projection.outputs, center, shown * np.abs(center) + wander)
        # exp(x) - 1 - x at 1e-3 is what is left of numbers of size 1, which moves of a few last bits do not show.
        self._leniently = moves_of(projection.outputs, center, shown * (np.abs(center) + HIDDEN) + wander)
        self._lenient = False
        self.on_stairs: list[str] = []
        self._center = projection.project(center)
        if abs(self._center) < NEARLY_ZERO:
            projection.shift = HIDDEN
        self._noise = SCATTER_SAFETY * self._epsilon * self._scatter

    def _moves(self, direction: Arrays, step: float) -> tuple[float, bool]:
        """The first step asked about decides which noise the outputs have along this direction."""
        if step == 2.0**SMALLEST_EXPONENT:
            self._lenient = not self._strictly(direction, step)[0] <= 1.0
        return (self._leniently if self._lenient else self._strictly)(direction, step)

    def _wander_of_outputs(self, center: FloatArray) -> FloatArray:
        """How far each output goes where the inputs move by a few last bits."""
        wander = np.zeros(center.shape)
        for copy in range(COPIES):
            moved = {name: direction_for(2, copy, name, theta.shape) for name, theta in self._projection.theta.items()}
            wander = np.fmax(wander, np.abs(self._projection.outputs(moved, LAST_BITS * self._epsilon) - center))
        return wander

    def is_zero(self, name: str, gradient: FloatArray) -> bool:
        """Whether a claimed gradient is 0, or rounding: small beside the outputs, and another where the last bits of the inputs change."""
        if not gradient.any():
            return True
        largest = float(np.abs(gradient).max())
        if not largest <= SAFETY * self._function.epsilon * self._level:
            return False
        return float(self._wander_of_claim(name).max(initial=0.0)) * self._projection.scales[name] >= ROUNDING_SHARE * largest

    def _wander_of_claim(self, name: str) -> FloatArray:
        """How far apart the claimed gradients are where the last bits of the inputs change.

        The claim at the point itself is left out: where it alone stands apart (at a tie, at a zero), that is no rounding.
        """
        claims = []
        for moved in moved_inputs(self._function.inputs, self._function.inputs, MORE_BITS * self._epsilon):
            try:
                claims.append(self._claim_again(moved)[name])
            except Exception:  # a point that the code does not take says nothing
                continue
        if len(claims) < 2:
            claims.append(self._claim_again(self._function.inputs)[name])
        apart: FloatArray = np.ptp(np.stack(claims), axis=0)
        return apart

    def ask_until_settled(self, gradients: Arrays, found: Findings) -> None:
        """Ask about these inputs together; one whose failure does not stand is left out and the others are asked again."""
        remaining = dict(gradients)
        for _ in range(MOST_ALONE):
            if not remaining:
                return
            asked = self._ask(remaining)
            found.lines.extend(line for line in asked.directions if line.status != "fail")
            unconfirmed = {name for line in asked.directions if line.status == "fail" for name in line.direction}
            if asked.status != "fail":
                found.doubtful += sorted(unconfirmed)
                for name in remaining.keys() - unconfirmed:
                    found.resolves[name] = min(found.resolves[name], asked.resolves[name])
                return
            failed = [name for name, status in asked.tensors.items() if status == "fail"]
            if asked.element is not None and self._stands(asked.element):
                found.wrong = asked.element
                found.also_wrong = tuple(name for name in failed if name != asked.element.tensor)
                return
            doubtful = [asked.element.tensor] if asked.element is not None else failed or list(remaining)
            found.doubtful += doubtful
            remaining = {name: gradient for name, gradient in remaining.items() if name not in doubtful}

    def _ask(self, gradients: Arrays) -> ProblemDifferences:
        """A failure stays where the loss does not jump beside the point, or also with the jump as its noise."""
        found = self._check(gradients, 0.0)
        jump = self._jump_beside(found) if found.status == "fail" else 0.0
        first = max((line.slope.steps[0] for line in found.directions if line.status == "fail"), default=0.0)
        if jump > EXACT * (self._level + HIDDEN) and first >= STAIR:
            jump = 0.0  # floor, a sort, a sign: a jump of the function, beyond the steps that were asked; rounding is not so large
        return self._check(gradients, jump / self._epsilon) if jump > 0 else found

    def _check(self, gradients: Arrays, more_scatter: float) -> ProblemDifferences:
        return check_problem(
            self._projection.losses,
            {name: self._projection.theta[name] for name in gradients},
            gradients,
            moves=self._moves,
            dtype=self._dtype,
            loss_scatter=self._scatter + more_scatter,
            seed=0,
            index=0,
        )

    def _jump_beside(self, found: ProblemDifferences) -> float:
        """The largest jump beside the point along a line that failed; 0 where it is within the noise."""
        failed = next(line for line in found.directions if line.status == "fail")
        jump = largest_jump(partial(self._projection.losses, failed.direction), failed.slope.steps[0])
        return jump if jump > JUMP * failed.middle.noise else 0.0

    def _stands(self, element: WrongElement) -> bool:
        """Whether the error is more than the claim wanders where the last bits of the inputs change, and no step shows the claim."""
        if self._is_noise:
            return False
        name = element.tensor
        if abs(element.estimated) < FAR_BELOW * abs(element.claimed) and self._moves_as_claimed(element):
            return False
        wandered = self._wander_of_claim(name)
        allowed = SAFETY * max(float(wandered[element.index]), FLOOR * float(wandered.max())) * self._projection.scales[name]
        return abs(element.estimated - element.claimed) > element.tolerance + allowed and not self._is_on_stairs(element)

    def _is_on_stairs(self, element: WrongElement) -> bool:
        """Whether rounding inside makes stairs of the function around the element, which may hide a slope as claimed."""
        theta = self._projection.theta[element.tensor]
        direction = np.zeros(theta.shape)
        direction[element.index] = 1.0
        there = {element.tensor: direction}
        hidden = hidden_by_stairs(
            lambda t: self._projection.project(self._projection.outputs(there, t)),
            partial(self._projection.coarsely, there),
            size=abs(float(theta[element.index])) or 1.0,
            level=self._level,
            claimed=element.claimed,
            found=element.estimated,
        )
        if hidden and element.tensor not in self.on_stairs:
            self.on_stairs.append(element.tensor)
        return hidden

    def _moves_as_claimed(self, element: WrongElement) -> bool:
        """Whether the outputs move as claimed over a step so short that they move by a small part of themselves.

        A function that turns within the shortest step of the lines (sin of 1e10) is flat to them, and its slope is not.
        """
        theta = self._projection.theta[element.tensor]
        step = max(
            PART_MOVED * (self._level + HIDDEN) / abs(element.claimed), STEP_BITS * FLOAT64_EPSILON * abs(float(theta[element.index]))
        )
        direction = np.zeros(theta.shape)
        direction[element.index] = 1.0
        beside = [self._projection.project(self._projection.outputs({element.tensor: direction}, sign * step)) for sign in (1.0, -1.0)]
        moved, expected = (beside[0] - beside[1]) / 2, element.claimed * step
        return bool(abs(moved - expected) <= abs(expected) / 2)

    def slopes(self, direction: Arrays) -> Slopes:
        """The one-sided slopes along a direction."""
        return slopes_along(lambda t: self._projection.project(self._projection.outputs(direction, t)), self._center, self._noise)

    def look_closer(self, name: str, gradient: FloatArray, found: Findings) -> None:
        """Settle one input that is open, by its own direction and, where it is small or on a kink, element by element."""
        own = direction_for(3, 0, name, gradient.shape)
        whole = self.slopes({name: own})
        along = float((gradient * own).sum())
        if not gradient.any() and whole.still >= SMALLEST_STILL and self._is_flat(whole.still):
            self._settle(name, self._epsilon, found)
            return
        if gradient.any() and not whole.at_a_kink and whole.confirm(along) and self._typical(gradient, along):
            both = whole.both
            self._settle(name, KAPPA * both.bound / float(np.abs(gradient).max()) if both else DECISIVE, found)
            return
        self._by_element(name, gradient, whole.contradict(along), found)

    def _is_flat(self, still: float) -> bool:
        """Whether outputs that stand still for so long a step leave only a slope open that is small beside what they move by."""
        return self._epsilon * self._level <= DECISIVE * still * self.largest

    def _typical(self, gradient: FloatArray, along: float) -> bool:
        """Whether the line sees the gradient: contributions that cancel leave nothing to hold it against."""
        return abs(along) >= ROUNDING_SHARE * float(np.abs(gradient).max())

    def _settle(self, name: str, power: float, found: Findings) -> None:
        found.resolves[name] = min(found.resolves[name], power, DECISIVE)
        found.doubtful = [one for one in found.doubtful if one != name]

    def _by_element(self, name: str, gradient: FloatArray, whole_is_wrong: bool, found: Findings) -> None:
        wrong: list[WrongElement] = []
        settled = smooth = True
        order = np.argsort(-np.abs(gradient.ravel()))[:MOST_ELEMENTS]
        bounds = []
        for position in order.tolist():
            index = tuple(int(axis) for axis in np.unravel_index(position, gradient.shape))
            here, unit = self.element(name, index)
            claimed = float(gradient.flat[position])
            both = here.both
            if both is None:
                smooth = False
                if here.shows_a_kink:
                    found.kinks.setdefault(name, Kink(index, here.left.value / unit, here.right.value / unit))
            elif here.contradict(claimed * unit):
                wrong.append(WrongElement(name, index, claimed, both.value / unit, KAPPA * both.bound / unit))
            still = claimed == 0 and here.still > 0 and not here.on_stairs and self._is_flat(here.still)
            bounds.append(0.0 if still and both is not None else here.leave_open(claimed * unit) / unit)
        largest = float(np.abs(gradient).max(initial=0.0))
        settled = not wrong and smooth and len(order) == gradient.size and max(bounds) <= DECISIVE * largest
        by_error = sorted(wrong, key=lambda one: -abs(one.claimed - one.estimated))
        stands = next((one for one in by_error if self._stands(one)), None)
        if stands is not None and (smooth or whole_is_wrong or self._smooth_without_kinks(name, gradient, found)):
            found.wrong = stands
        elif settled:
            self._settle(name, max(bounds) / largest if largest else self._epsilon, found)

    def _smooth_without_kinks(self, name: str, gradient: FloatArray, found: Findings) -> bool:
        """Elements without a kink of their own may be judged where they have none together either."""
        own = direction_for(4, 0, name, gradient.shape)
        for index in np.ndindex(gradient.shape) if gradient.size <= MOST_ELEMENTS else ():
            if self.element(name, index)[0].at_a_kink:
                own[index] = 0.0
        return gradient.size <= MOST_ELEMENTS and bool(own.any()) and not self.slopes({name: own}).at_a_kink

    def element(self, name: str, index: tuple[int, ...]) -> tuple[Slopes, float]:
        """The one-sided slopes of one element, and the unit in which they are: a power of two next to its own size."""
        theta = self._projection.theta[name]
        size = abs(float(theta[index]))
        unit = 2.0 ** round(np.log2(size)) if 0 < size < STAIR else 1.0
        direction = np.zeros(theta.shape)
        direction[index] = unit
        return self.slopes({name: direction}), unit


def contradicted(first: Arrays, second: Arrays, lines: Sequence[DirectionResult], scales: Mapping[str, float]) -> str | None:
    """The input of which two claims are further apart than a line that the first one passed allows."""
    for name, gradient in first.items():
        if np.array_equal(gradient, second[name], equal_nan=True):
            continue
        for line in lines:
            if name in line.direction and np.isfinite(line.tolerance):
                moved = float(((second[name] - gradient) * scales[name] * line.direction[name]).sum())
                if not abs(moved) <= 2 * line.tolerance:
                    return name
    return None
