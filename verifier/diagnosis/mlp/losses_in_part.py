"""A wrong loss beside right gradients: the claimed one of some samples or outputs alone, or of probabilities held away from 0 and 1.

Each form predicts the loss of every network; it is said where all of them fit, and where enough of them differ from the claimed one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import SOFTMAX_LOSSES, Claims
from verifier.contracts.mlp.network import Architecture, architecture_of
from verifier.oracles.reference import Answered
from verifier.results.report import Diagnosis

SHOWN_ON = 3  # networks on which a form is another than the claimed loss
ALIKE = 1e-9  # relative: the formulas here are not the textbook's stable ones
HOLDS = (0.01, 0.05, 0.1, 0.02, 0.001, 0.005, 0.2, 0.0001)
_PARTS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "of the last sample alone": lambda parts: parts[-1:],
    "of the first sample alone": lambda parts: parts[:1],
    "of all samples but the last": lambda parts: parts[:-1],
    "of all samples but the first": lambda parts: parts[1:],
    "of the first output alone": lambda parts: parts[:, :1],
    "of the last output alone": lambda parts: parts[:, -1:],
    "of the sample whose loss is the largest": lambda parts: parts[[int(np.argmax(parts.sum(axis=1)))]],
}


@dataclass(frozen=True)
class _Seen:
    """One network: the loss of each output of each sample, and how the claims reduce it to the loss; the probabilities and the targets."""

    parts: FloatArray
    divisor: float
    penalty: float
    p: FloatArray
    y: FloatArray
    loss: str
    claimed: float
    right: float
    allowed: float


@np.errstate(all="ignore")
def find_part(answered: Sequence[Answered], claims: Claims) -> Diagnosis | None:
    """What the returned loss is, where gradients are right; None where no form fits every network."""
    seen = [_seen(one, claims) for one in answered]
    known = [one for one in seen if one is not None]
    if len(known) < len(seen):
        return None
    for words, value in _forms(claims):
        found = [(one, value(one)) for one in known]
        fits = all(abs(one.claimed - loss) <= one.allowed + ALIKE * abs(loss) for one, loss in found)
        if fits and sum(abs(loss - one.right) > one.allowed + ALIKE * abs(loss) for one, loss in found) >= SHOWN_ON:
            text = f"The gradients are those of the claimed loss; the loss that comes back is {words}."
            return Diagnosis("wrong-loss", "loss", text, f"This holds on all {len(found)} networks.")
    return None


def _seen(one: Answered, claims: Claims) -> _Seen | None:
    """None where the plain formula is not the claimed loss, as with an ε, or there is no loss."""
    architecture, right, claimed = architecture_of(one.problem), one.reference.loss, one.claimed.loss
    if right is None or claimed is None:
        return None
    values = textbook.forward(one.problem.program, textbook.double(one.problem.arrays))
    outputs = values[f"activations[{architecture.layers - 1}]"]
    y = np.asarray(one.problem.arrays["y"], dtype=np.float64)
    p = _probabilities(outputs, architecture)
    parts = _parts(p, y, architecture.loss)
    samples, units = parts.shape
    divisor = {"mean": samples, "mean_all": samples * units}.get(claims.reduction, 1) / claims.loss_scale
    squares = sum(float((np.asarray(a, np.float64) ** 2).sum()) for name, a in one.problem.arrays.items() if name.startswith("weights"))
    penalty = claims.loss_scale * claims.l2 * squares / (samples if claims.l2_over_batch else 1)
    allowed = one.reference.loss_tolerance()
    found = _Seen(parts, divisor, penalty, p, y, architecture.loss, claimed, right, allowed)
    whole = _reduced(found, parts, divisor)
    return found if abs(whole - right) <= allowed + ALIKE * abs(right) else None


def _forms(claims: Claims) -> Iterator[tuple[str, Callable[[_Seen], float]]]:
    for words, part in _PARTS.items():
        if claims.reduction != "sum":
            yield f"that {words}", partial(_of_a_part, part, by_its_size=True)
        yield f"that {words}, divided as the whole is", partial(_of_a_part, part, by_its_size=False)
    if any("cross_entropy" in loss for loss in claims.losses):
        for end in HOLDS:
            yield (
                f"that of probabilities held between {end:g} and {1 - end:g}",
                partial(_held, lambda p, end: np.clip(p, end, 1 - end), end),
            )
            yield f"that of probabilities of at least {end:g}", partial(_held, np.maximum, end)
            yield f"that of log(ŷ + {end:g}) in the place of log ŷ", partial(_held, np.add, end)


def _of_a_part(part: Callable[[FloatArray], FloatArray], one: _Seen, *, by_its_size: bool) -> float:
    kept = part(one.parts)
    return _reduced(one, kept, one.divisor * (kept.size / one.parts.size if by_its_size else 1.0))


def _held(hold: Callable[[FloatArray, float], FloatArray], end: float, one: _Seen) -> float:
    return _reduced(one, _parts(hold(one.p, end), one.y, one.loss, hold(1 - one.p, end)), one.divisor)


def _reduced(one: _Seen, parts: FloatArray, divisor: float) -> float:
    return float(parts.sum()) / divisor + one.penalty if parts.size else one.penalty


def _probabilities(outputs: FloatArray, architecture: Architecture) -> FloatArray:
    """What the loss takes the logarithm of; the outputs themselves for a squared error."""
    if architecture.activations[-1] in ("sigmoid", "softmax"):
        return outputs
    if architecture.loss == "softmax_cross_entropy":
        exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
    return 1 / (1 + np.exp(-outputs)) if architecture.loss == "binary_cross_entropy_with_logits" else outputs


def _parts(p: FloatArray, y: FloatArray, loss: str, rest: FloatArray | None = None) -> FloatArray:
    """The loss of each output of each sample, samples by outputs; `rest`: what stands for 1 - p."""
    if "cross_entropy" not in loss:
        return np.asarray((p - y) ** 2 * (0.5 if loss == "half_squared_error" else 1.0))
    found = -y * np.where(y == 0, 0.0, np.log(p))
    if loss not in SOFTMAX_LOSSES:
        found = found - (1 - y) * np.where(y == 1, 0.0, np.log(1 - p if rest is None else rest))
    return np.asarray(found)
