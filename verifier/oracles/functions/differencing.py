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

from verifier.oracles.finite_difference.directions import direction_for
from verifier.oracles.finite_difference.elements import WrongElement
from verifier.oracles.finite_difference.line import DECISIVE, DirectionResult
from verifier.oracles.finite_difference.noise import NARROWER_TYPES, machine_epsilon
from verifier.oracles.finite_difference.problem import ProblemDifferences, check_problem
from verifier.oracles.functions.differentiable import Arrays, Differentiable
from verifier.oracles.functions.jumps import largest_jump
from verifier.oracles.functions.projection import Projection
from verifier.oracles.functions.trial import moves_of
from verifier.results.evaluation import FloatArray
from verifier.tolerance import FLOOR, SAFETY

MOST_ALONE = 8  # inputs that are asked about alone where the directions through all do not decide them
HIDDEN = 1.0  # outputs may be what is left of numbers of size 1 that cancelled (1 - cos x); nothing shows it where they are smooth
JUMP = 4.0  # times the noise: less is rounding of the loss where the search for a jump ends
COPIES = 4  # of outputs, of the claim, at inputs moved by a few last bits:
LAST_BITS = 4.0
MORE_BITS = 64.0  # of the claim: only errors far above are ever told
FLOAT64_EPSILON = machine_epsilon(np.float64)
FLOAT32_EPSILON = machine_epsilon(np.float32)


@dataclass
class Findings:
    """What differences say, in the projection's scaled variables.

    Attributes:
        wrong: the worst element of an input whose gradient is wrong, or None.
        also_wrong: other inputs whose own direction fails.
        lines: every direction that was asked about and agrees.
        resolves: by input, the smallest error that would have been seen, relative to the largest element (where the claim is zero or
            rounding: relative to the size of the outputs).
        doubtful: inputs about which the differences contradict themselves.
    """

    wrong: WrongElement | None = None
    also_wrong: tuple[str, ...] = ()
    lines: list[DirectionResult] = field(default_factory=list)
    resolves: dict[str, float] = field(default_factory=dict)
    doubtful: list[str] = field(default_factory=list)

    def failed(self) -> bool:
        return self.wrong is not None


def difference(
    function: Differentiable, projection: Projection, gradients: Arrays, claim_again: Callable[[Arrays], Arrays], *, in_float64: bool
) -> Findings:
    """Hold gradients against differences.

    Args:
        gradients: claimed, of the scaled variables, finite.
        claim_again: the claim (not scaled) at other inputs.
        in_float64: whether the function is asked in float64.
    """
    asking = _Asking(function, projection, gradients, claim_again, in_float64)
    found = Findings(resolves=dict.fromkeys(gradients, float("inf")))
    flat_ones = {name: gradient for name, gradient in gradients.items() if asking.is_zero(gradient)}
    steep = {name: gradient for name, gradient in gradients.items() if name not in flat_ones}
    asking.ask_until_settled(steep, found)
    if not found.failed():
        asking.ask_until_settled(flat_ones, found)
    for name in flat_ones:
        shares = [asking.share(line, name) for line in found.lines if name in line.direction]
        found.resolves[name] = min(shares, default=float("inf"))
    open_ones = [name for name in gradients if found.resolves[name] > DECISIVE and name not in found.doubtful]
    for name in open_ones[:MOST_ALONE]:
        if not found.failed() and name not in flat_ones:
            asking.ask_until_settled({name: gradients[name]}, found)
    return found


class _Asking:
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
        shown = max(self._epsilon, _shown_by(projection.outputs(everywhere, 2.0**-12)))
        far = projection.level(projection.outputs(everywhere, 1.0))
        self._level = projection.level(center)
        self._largest = max(self._level, far if np.isfinite(far) else 0.0)
        wander = self._wander_of_outputs(center)
        self._scatter = (self._level * shown + projection.level(wander)) / self._epsilon + HIDDEN
        # Not with HIDDEN: an output that is small and true may still turn within its noise, and then the first step must be short.
        self._moves = moves_of(projection.outputs, center, shown * np.abs(center) + wander)

    def _wander_of_outputs(self, center: FloatArray) -> FloatArray:
        """How far each output goes where the inputs move by a few last bits."""
        wander = np.zeros(center.shape)
        for copy in range(COPIES):
            moved = {name: direction_for(2, copy, name, theta.shape) for name, theta in self._projection.theta.items()}
            wander = np.fmax(wander, np.abs(self._projection.outputs(moved, LAST_BITS * self._epsilon) - center))
        return wander

    def is_zero(self, gradient: FloatArray) -> bool:
        """Whether a claimed gradient is no larger than rounding of the outputs: then they are the scale, not the gradient."""
        return float(np.abs(gradient).max(initial=0.0)) <= SAFETY * self._function.epsilon * self._level

    def share(self, line: DirectionResult, name: str) -> float:
        """What a change of the input by its own size might still do to the outputs unseen, relative to their size."""
        if line.tolerance == 0:
            return 0.0
        reach = float(np.abs(line.direction[name]).max(initial=0.0)) * self._largest
        return line.tolerance / reach if reach > 0 else float("inf")

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
            if asked.element is not None and self._stands(asked.element):
                found.wrong = asked.element
                failed = [name for name, status in asked.tensors.items() if status == "fail"]
                found.also_wrong = tuple(name for name in failed if name != asked.element.tensor)
                return
            doubtful = [asked.element.tensor] if asked.element is not None else _failing_alone(asked) or list(remaining)
            found.doubtful += doubtful
            remaining = {name: gradient for name, gradient in remaining.items() if name not in doubtful}

    def _ask(self, gradients: Arrays) -> ProblemDifferences:
        """A failure stays where the loss does not jump beside the point, or also with the jump as its noise."""
        found = self._check(gradients, 0.0)
        jump = self._jump_beside(found) if found.status == "fail" else 0.0
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
        """Whether the error is more than the claim wanders where the last bits of the inputs change."""
        name = element.tensor
        here = self._claim_again(self._function.inputs)[name]
        generator = np.random.default_rng(0)
        wandered = np.zeros(here.shape)
        for _ in range(COPIES):
            moved = {
                one: array * (1 + MORE_BITS * self._epsilon * generator.uniform(-1, 1, size=array.shape))
                for one, array in self._function.inputs.items()
            }
            wandered = np.fmax(wandered, np.abs(self._claim_again(moved)[name] - here))
        allowed = SAFETY * max(float(wandered[element.index]), FLOOR * float(wandered.max())) * self._projection.scales[name]
        return abs(element.estimated - element.claimed) > element.tolerance + allowed


def _failing_alone(asked: ProblemDifferences) -> list[str]:
    return [name for name, status in asked.tensors.items() if status == "fail"]


def _shown_by(outputs: FloatArray) -> float:
    """Epsilon of float32 where that holds all these outputs, at a point that is nothing special: then a part is computed in it."""
    mantissas, _ = np.frexp(outputs[np.isfinite(outputs)])
    bits = max(NARROWER_TYPES)
    held = bool(np.array_equal(np.round(mantissas * 2.0**bits), mantissas * 2.0**bits))
    return 2.0 ** (1 - bits) if held else FLOAT64_EPSILON


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
