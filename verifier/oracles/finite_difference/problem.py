"""One problem put to the test: first through all tensors at once, then closer only where that is needed.

A right gradient costs at most 40 losses, however many tensors and parameters there are; so does a wrong one that is not looked at closer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from verifier.arrays import FloatArray
from verifier.oracles.finite_difference.directions import (
    SPREAD,
    combined_direction,
    direction_for,
    first_step,
    gradient_direction,
)
from verifier.oracles.finite_difference.elements import WrongElement, find_wrong_element
from verifier.oracles.finite_difference.ladder import ladder_steps
from verifier.oracles.finite_difference.line import (
    DECISIVE,
    DirectionResult,
    Points,
    Status,
    check_direction,
)

LARGE = 5_000  # parameters above which an evaluation is dear, and no second line is asked where the first decides every tensor
BUDGET = 40  # losses for a gradient that passes: an evaluation may be a whole forward and backward pass in pure Python

Moves = Callable[[Mapping[str, FloatArray], float], tuple[float, bool]]
"""(direction by tensor, step t) -> the largest move of any pre-activation over ±t in the reference's forward pass; a kink crossed?"""


@dataclass(frozen=True)
class ProblemDifferences:
    """What finite differences say of one problem.

    Attributes:
        status: `fail` where the gradient is wrong; else `pass` where every tensor is decided, else `undecided`.
        tensors: status by tensor. A tensor whose claimed gradient is zero is never decided, as nothing says what small is.
        resolves: by tensor, the smallest error, relative to its largest claimed element, that was excluded; infinite where none was.
        directions: every line in the order asked.
        element: the worst wrong element where there is one.
        evaluations: how many losses were asked for.
    """

    status: Status
    tensors: Mapping[str, Status]
    resolves: Mapping[str, float]
    directions: tuple[DirectionResult, ...]
    element: WrongElement | None
    evaluations: int


def check_problem(
    points: Points,
    theta: Mapping[str, FloatArray],
    gradients: Mapping[str, FloatArray],
    *,
    moves: Moves,
    dtype: DTypeLike,
    loss_scatter: float,
    seed: int,
    index: int,
    every_tensor: bool = False,
    locate: bool = True,
) -> ProblemDifferences:
    """Hold the claimed gradient of one problem against differences of its loss.

    Args:
        points: asks for losses along a line, see `Points`.
        theta: the point, arrays in the candidate's dtype, by tensor name.
        gradients: claimed, float64, finite, same names and shapes.
        moves: how far the reference's pre-activations move, see `Moves`.
        dtype: of the candidate's computation.
        loss_scatter: largest change of the reference's loss under relative perturbations of size u, divided by u.
        seed, index: of the run and of the problem; with the tensor's name they key its direction.
        every_tensor: also ask about each tensor alone where the combined direction is content.
        locate: whether a wrong gradient is looked at closer: tensor by tensor, and for its wrong element.
    """
    problem = _Problem(points, theta, gradients, moves, dtype, loss_scatter, seed, index)
    lines: list[DirectionResult] = []
    through_all = problem.ask(combined_direction(gradients, seed, index, spread=problem.spread), lines)
    at_once = through_all is not None and through_all.status == "fail"
    if every_tensor or (at_once and locate):
        _ask_each(problem, lines, gradients)
    elif not at_once:
        further = _ask_further(problem, lines)
        if further is not None and further.status == "fail" and locate:
            _ask_each(problem, lines, further.powers)
    failed = [line for line in lines if line.status == "fail"]
    if failed and not _confirmed(problem, lines):
        failed = []
    element = _worst_element(problem, lines, failed) if locate else None
    return _summary(gradients, lines, failed, element)


@dataclass(frozen=True)
class _Problem:
    """The arguments of `check_problem`, to ask about several directions."""

    points: Points
    theta: Mapping[str, FloatArray]
    gradients: Mapping[str, FloatArray]
    moves: Moves
    dtype: DTypeLike
    loss_scatter: float
    seed: int
    index: int

    @property
    def spread(self) -> int:
        """Block scales must leave steps that rounding does not swallow: a narrower type has less room."""
        return SPREAD if np.dtype(self.dtype).itemsize >= 8 else SPREAD // 3

    def ask(self, direction: Mapping[str, FloatArray], lines: list[DirectionResult]) -> DirectionResult | None:
        """Ask about a direction and keep the answer; None where no step is within the trust region."""
        first = first_step(lambda step: self.moves(direction, step))
        if first is None:
            return None
        result = check_direction(
            self.points,
            self.theta,
            self.gradients,
            direction,
            first=first,
            dtype=self.dtype,
            loss_scatter=self.loss_scatter,
            middle=lines[0].middle if lines else None,
        )
        lines.append(result)
        return result

    def ask_own(self, tensor: str, lines: list[DirectionResult]) -> DirectionResult | None:
        """Ask about a tensor alone, along its own direction."""
        return self.ask({tensor: self.own_direction(tensor)}, lines)

    def own_direction(self, tensor: str) -> FloatArray:
        return direction_for(self.seed, self.index, tensor, self.gradients[tensor].shape)


def _ask_each(problem: _Problem, lines: list[DirectionResult], tensors: Mapping[str, object]) -> None:
    """Ask about each of these tensors alone, unless that was done."""
    asked = {line.tensor for line in lines if len(line.powers) == 1}
    for tensor in tensors:
        if tensor not in asked:
            problem.ask_own(tensor, lines)


def _ask_further(problem: _Problem, lines: list[DirectionResult]) -> DirectionResult | None:
    """More lines, as many as `BUDGET` allows, until one fails: about what is undecided, or else one along the claimed gradient.

    Returns:
        The line that failed, if one did.
    """
    cost = 2 * len(ladder_steps(1.0, problem.dtype))
    spent = sum(line.evaluations for line in lines)
    for _ in range((BUDGET - spent) // cost if lines else 0):
        line = _ask_next(problem, lines)
        if line is None or line.status == "fail":
            return line
    return None


def _ask_next(problem: _Problem, lines: list[DirectionResult]) -> DirectionResult | None:
    """One more line; None where nothing is left that another could tell."""
    powers = _resolving_powers(problem.gradients, lines)
    undecided = [name for name, power in powers.items() if power > DECISIVE and problem.gradients[name].any()]
    if not undecided:
        second = len(lines) == 1 and sum(gradient.size for gradient in problem.gradients.values()) <= LARGE
        live = gradient_direction(problem.gradients, spread=problem.spread) if second else {}
        return problem.ask(live, lines) if live else None
    if len(lines) == 1 and 1 < len(undecided) < len(powers):
        few = {name: problem.gradients[name] for name in undecided}
        return problem.ask(combined_direction(few, problem.seed, problem.index, spread=problem.spread), lines)
    asked = {line.tensor for line in lines}
    alone = [name for name in undecided if name not in asked]
    return problem.ask_own(alone[problem.index % len(alone)], lines) if alone else None  # in turn: over a run each tensor is asked


def _confirmed(problem: _Problem, lines: list[DirectionResult]) -> bool:
    """Whether a failure stands: a tensor's own direction fails, or else another direction through all tensors does too."""
    if any(line.status == "fail" and len(line.powers) == 1 for line in lines):
        return True
    if sum(line.status == "fail" for line in lines) > 1:
        return True
    other = combined_direction(problem.gradients, problem.seed + 1, problem.index, spread=problem.spread)
    again = problem.ask(other, lines)
    return again is not None and again.status == "fail"


def _worst_element(problem: _Problem, lines: list[DirectionResult], failed: list[DirectionResult]) -> WrongElement | None:
    """Of the tensor whose own direction failed most clearly."""
    own = [line for line in failed if len(line.powers) == 1]
    if not own:
        return None
    tensor = max(own, key=lambda line: abs(line.error) / line.tolerance if line.tolerance else float("inf")).tensor

    def ask(direction: FloatArray) -> DirectionResult | None:
        return problem.ask({tensor: direction}, lines)

    return find_wrong_element(tensor, problem.gradients[tensor], problem.own_direction(tensor), ask)[0]


def _resolving_powers(tensors: Mapping[str, object], lines: list[DirectionResult]) -> dict[str, float]:
    powers = dict.fromkeys(tensors, float("inf"))
    for line in lines:
        for name, power in line.powers.items():
            powers[name] = min(powers[name], power)
    return powers


def _summary(
    gradients: Mapping[str, FloatArray], lines: list[DirectionResult], failed: list[DirectionResult], element: WrongElement | None
) -> ProblemDifferences:
    powers = _resolving_powers(gradients, lines)
    wrong = {line.tensor for line in failed if len(line.powers) == 1}
    tensors: dict[str, Status] = {
        name: "fail" if name in wrong else "pass" if powers[name] <= DECISIVE else "undecided" for name in gradients
    }
    if failed:
        status: Status = "fail"
    else:
        status = "pass" if all(value == "pass" for value in tensors.values()) else "undecided"
    return ProblemDifferences(
        status=status,
        tensors=tensors,
        resolves=powers,
        directions=tuple(lines),
        element=element,
        evaluations=sum(line.evaluations for line in lines),
    )
