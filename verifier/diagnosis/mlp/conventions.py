"""Undeclared conventions: does one catalogued deliberate difference, with one value, explain loss and gradient on every network?

Also the commonest habit of published code, declared or not: a loss with an ε or a clip, and the gradient of the loss without it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from verifier.checks.examination import Item, reassessed
from verifier.contracts.convention import Convention, Value, with_convention
from verifier.contracts.mlp.claims import Claims
from verifier.oracles.reference import Reference
from verifier.results.evaluation import Evaluation
from verifier.tolerance import compare

# What published code uses. The value must fit every network at the derived tolerance, so that a long list excuses nobody wrongly.
_EPSILONS = (
    *(10.0**-power for power in (15, 12, 10, 9, 8, 7, 16, 14, 13, 11, 20, 6, 5, 4, 3)),
    float(np.finfo(np.float64).eps),
    float(np.finfo(np.float32).eps),
)
_VALUES: dict[str, tuple[Value, ...]] = {
    "log_epsilon": (*_EPSILONS, *((0.0, epsilon) for epsilon in _EPSILONS), *((epsilon, 0.0) for epsilon in _EPSILONS)),
    "clip_output": (*_EPSILONS, *((epsilon, 1.0) for epsilon in _EPSILONS)),
    "clip_preactivation": (20.0, 10.0, 15.0, 25.0, 30.0),
    "softmax_epsilon": _EPSILONS,
    "softplus_threshold": (20.0, 30.0, 25.0, 15.0, 10.0),
    "leaky_slope": (0.1, 0.2, 0.3, 0.05, 0.02, 0.001, 0.25, 0.5, 0.15, 0.03, 1 / 3, 0.4, 0.005, 0.125),
}
_OF_AN_ACTIVATION = {"softplus_threshold": "softplus", "softmax_epsilon": "softmax"}
_OF_THE_LOSS = ("log_epsilon", "clip_output")


def find_convention(claims: Claims, answered: Sequence[tuple[Item, Evaluation]], *, gradients_agree: bool) -> Convention | None:
    """The first convention under which the loss fits on every network, and the gradient fits it too or the plain loss.

    Args:
        answered: ordinary problems with the candidate's answers.
        gradients_agree: whether the gradients are those of the plain claims on every network.
    """
    if not answered or any(evaluation.loss is None for _, evaluation in answered):
        return None
    for key in _OF_THE_LOSS:
        value: Value | None = getattr(claims, key)
        if value is not None and not gradients_agree and _of_the_plain_loss(with_convention(claims, key, None), answered):
            return Convention(key, value, gradient_too=False, declared=True)
    for key, value in _hypotheses(claims):
        fits = _fits(with_convention(claims, key, value), answered, gradients_agree)
        if fits is not None:
            return Convention(key, value, fits)
    return None


def _hypotheses(claims: Claims) -> Iterator[tuple[str, Value]]:
    """Conventions that the claims leave undeclared and that could show."""
    logarithmic = {"cross_entropy", "binary_cross_entropy"} & set(claims.losses)
    used = {*claims.activations, *claims.output_activations}
    for key, values in _VALUES.items():
        if key in _OF_THE_LOSS and (not logarithmic or getattr(claims, key) is not None):
            continue
        if key == "leaky_slope" and "leaky_relu" not in used:
            continue
        if key == "clip_preactivation" and claims.clip_preactivation is not None:
            continue
        if key in _OF_AN_ACTIVATION and (_OF_AN_ACTIVATION[key] not in used or getattr(claims, key) is not None):
            continue
        one_logarithm = key == "log_epsilon" and "binary_cross_entropy" not in claims.losses
        yield from ((key, value) for value in values if not (one_logarithm and isinstance(value, tuple)))


def _fits(assumed: Claims, answered: Sequence[tuple[Item, Evaluation]], gradients_agree: bool) -> bool | None:
    """True where loss and gradient fit everywhere, False where the loss does and the gradient is the plain loss's, None where neither."""
    with_gradient, decided = True, 0
    for item, evaluation in answered:
        under = reassessed(item, assumed)
        if under is None:
            continue
        decided += 1
        if not _loss_fits(under.reference, evaluation):
            return None
        with_gradient = with_gradient and _gradients_fit(under.reference, evaluation)
        if not with_gradient and not gradients_agree:
            return None
    return with_gradient if 2 * decided > len(answered) else None


def _of_the_plain_loss(plain: Claims, answered: Sequence[tuple[Item, Evaluation]]) -> bool:
    """Whether every loss is the declared one and every gradient that of the loss without the convention."""
    if not all(_loss_fits(item.reference, evaluation) for item, evaluation in answered):
        return False
    under = [(reassessed(item, plain), evaluation) for item, evaluation in answered]
    return all(item is None or _gradients_fit(item.reference, evaluation) for item, evaluation in under)


def _loss_fits(reference: Reference, evaluation: Evaluation) -> bool:
    right = reference.loss
    return right is not None and evaluation.loss is not None and abs(evaluation.loss - right) <= reference.loss_tolerance()


def _gradients_fit(reference: Reference, evaluation: Evaluation) -> bool:
    for name, gradient in evaluation.gradients.items():
        allowed = reference.gradient_tolerance(name) + evaluation.rounding.get(name, 0.0)
        comparison = compare(gradient, reference.gradients[name], allowed)
        if comparison is not None and not comparison.within:
            return False
    return True
