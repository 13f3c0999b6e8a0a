"""Undeclared conventions: does one catalogued deliberate difference, with one value, explain loss and gradient on every network?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from verifier.checks.examination import Item
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import with_claims
from verifier.oracles.reference import Reference, refer
from verifier.results.evaluation import Evaluation
from verifier.tolerance import compare

# What published code uses. The value must fit every network at the derived tolerance, so that a long list excuses nobody wrongly.
_EPSILONS = (
    *(10.0**-power for power in (15, 12, 10, 9, 8, 7, 16, 14, 13, 11)),
    float(np.finfo(np.float64).eps),
    float(np.finfo(np.float32).eps),
)
_VALUES: dict[str, tuple[float, ...]] = {
    "log_epsilon": _EPSILONS,
    "clip_output": _EPSILONS,
    "clip_preactivation": (20.0, 10.0, 15.0, 25.0, 30.0),
    "leaky_slope": (0.1, 0.2, 0.3, 0.05, 0.02, 0.001, 0.25, 0.5, 0.15, 0.03, 1 / 3, 0.4, 0.005, 0.125),
}


@dataclass(frozen=True)
class Convention:
    """One convention that explains what was seen.

    Attributes:
        key, value: the manifest line that would declare it.
        gradient_too: whether the gradient is that of the loss with the convention; else it is that of the plain loss.
    """

    key: str
    value: float
    gradient_too: bool

    def assumed(self, claims: Claims) -> Claims:
        """The claims with the convention declared."""
        declared: dict[str, Any] = {self.key: self.value}
        return replace(claims, **declared)

    @property
    def manifest_line(self) -> str:
        return f"{self.key} = {self.value!r}"


def find_convention(claims: Claims, answered: Sequence[tuple[Item, Evaluation]], *, gradients_agree: bool) -> Convention | None:
    """The first convention under which the loss fits on every network, and the gradient fits it too or the plain loss.

    Args:
        answered: ordinary problems with the candidate's answers.
        gradients_agree: whether the gradients are those of the plain claims on every network.
    """
    if not answered or any(evaluation.loss is None for _, evaluation in answered):
        return None
    for key, value in _hypotheses(claims):
        fits = _fits(Convention(key, value, True).assumed(claims), answered, gradients_agree)
        if fits is not None:
            return Convention(key, value, fits)
    return None


def _hypotheses(claims: Claims) -> Iterator[tuple[str, float]]:
    """Conventions that the claims leave undeclared and that could show."""
    logarithmic = {"cross_entropy", "binary_cross_entropy"} & set(claims.losses)
    leaky = "leaky_relu" in (*claims.activations, *claims.output_activations)
    for key, values in _VALUES.items():
        if key in ("log_epsilon", "clip_output") and (not logarithmic or getattr(claims, key) is not None):
            continue
        if key == "leaky_slope" and not leaky:
            continue
        if key == "clip_preactivation" and claims.clip_preactivation is not None:
            continue
        yield from ((key, value) for value in values)


def _fits(assumed: Claims, answered: Sequence[tuple[Item, Evaluation]], gradients_agree: bool) -> bool | None:
    """True where loss and gradient fit everywhere, False where the loss does and the gradient is the plain loss's, None where neither."""
    with_gradient = True
    for item, evaluation in answered:
        problem = with_claims(item.problem, assumed)
        reference = item.reference if problem.program == item.problem.program else refer(problem, seed=item.index)
        if not _loss_fits(reference, evaluation):
            return None
        with_gradient = with_gradient and _gradients_fit(reference, evaluation)
        if not with_gradient and not gradients_agree:
            return None
    return with_gradient


def _loss_fits(reference: Reference, evaluation: Evaluation) -> bool:
    right = reference.evaluation.loss
    return right is not None and evaluation.loss is not None and abs(evaluation.loss - right) <= reference.loss_tolerance()


def _gradients_fit(reference: Reference, evaluation: Evaluation) -> bool:
    for name, gradient in evaluation.gradients.items():
        allowed = reference.gradient_tolerance(name) + evaluation.rounding.get(name, 0.0)
        comparison = compare(gradient, reference.evaluation.gradients[name], allowed)
        if comparison is not None and not comparison.within:
            return False
    return True
