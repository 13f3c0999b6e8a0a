"""The right answer for a problem and the tolerance of each of its elements."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.catalogue import family_of
from verifier.oracles.scatter import Scatter, measure_scatter, touches_a_kink
from verifier.problems.program import Problem, longest_sum, machine_epsilon
from verifier.results.evaluation import Evaluation
from verifier.tolerance import element_tolerance, safety


@dataclass(frozen=True)
class Reference:
    """An oracle's evaluation of a problem, the scatter of everything in it, and the length of its longest sum."""

    evaluation: Evaluation
    scatter: Scatter
    longest: int

    @property
    def loss(self) -> float | None:
        """The right loss."""
        return self.evaluation.loss

    @property
    def outputs(self) -> FloatArray | None:
        """The right outputs."""
        return self.evaluation.outputs

    @property
    def gradients(self) -> Mapping[str, FloatArray]:
        """The right gradients, by array name."""
        return self.evaluation.gradients

    @property
    def stages(self) -> Mapping[str, FloatArray]:
        """The right pre-activations, activations and deltas, by value name."""
        return self.evaluation.stages

    def gradient_tolerance(self, name: str) -> FloatArray:
        """The tolerance of each element of a gradient, in its units."""
        return element_tolerance(self.scatter.gradients[name], self.longest)

    def stage_tolerance(self, name: str) -> FloatArray:
        """The tolerance of each element of a stage."""
        return element_tolerance(self.scatter.stages[name], self.longest)

    def output_tolerance(self) -> FloatArray:
        """The tolerance of each output."""
        return element_tolerance(np.asarray(self.scatter.outputs), self.longest)

    def loss_tolerance(self) -> float:
        """The tolerance of the loss."""
        return safety(self.longest) * self.scatter.loss


@dataclass(frozen=True)
class Answered:
    """A problem, its reference, and what the candidate answered."""

    problem: Problem
    reference: Reference
    claimed: Evaluation


def refer(problem: Problem, oracle: Callable[[Problem], Evaluation] = textbook.evaluate, *, seed: int = 0) -> Reference:
    """The reference for a problem: by the textbook itself, or by another oracle (autograd); the scatter is always the textbook's."""
    return Reference(oracle(problem), measure_scatter(problem, seed=seed), longest_sum(problem))


def refer_if_deciding(problem: Problem, *, seed: int = 0) -> Reference | None:
    """The reference by the textbook; None where the problem decides nothing: it is no ordinary one, or stands at a kink."""
    evaluation = textbook.evaluate(problem)
    if not family_of(problem.contract).is_ordinary(problem, evaluation.stages):
        return None
    reference = Reference(evaluation, measure_scatter(problem, seed=seed), longest_sum(problem))
    return None if touches_a_kink(problem, reference.scatter, safety(reference.longest)) else reference


def precision_ratio() -> float:
    """How much larger float32's rounding is than float64's."""
    return machine_epsilon("float32") / machine_epsilon("float64")
