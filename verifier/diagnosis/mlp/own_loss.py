"""The loss that a candidate has in the place of the claimed one, as the claims that would say it: reduction, scale, penalty, another loss.

A loss that comes back is s · D + p · ΣW², D the mean or the sum of a known loss. Both numbers are fitted on all networks, taken as somebody
would have typed them, and the loss is then held to its tolerance on each.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import LOSSES, SQUARED_LOSSES, Claims, goes_with
from verifier.contracts.mlp.network import architecture_of, build_problem
from verifier.oracles.reference import Answered, refer_if_deciding
from verifier.results.report import Diagnosis

ENOUGH = 10  # networks that decide
LEAST = 1e-9  # a smaller penalty is none that anybody typed
TYPED = 1e-7  # how near a fitted number must be to the one that somebody typed
REDUCTIONS = ("mean", "sum", "mean_all")


@dataclass(frozen=True)
class OwnLoss:
    """The claims that the returned loss obeys, and the networks judged by them."""

    claims: Claims
    answered: tuple[Answered, ...]

    def fits_gradients(self) -> bool:
        """Whether the gradients are those of this loss too, on every network."""
        return all(_gradients_fit(one) for one in self.answered)

    def lines(self, claimed: Claims) -> str:
        """The manifest's lines that say it."""
        before, after = claimed.as_manifest(defaults=True), self.claims.as_manifest(defaults=True)
        return ", ".join(f"`{key} = {json.dumps(value)}`" for key, value in after.items() if before[key] != value)


@np.errstate(all="ignore")
def find_own_loss(answered: Sequence[Answered], claims: Claims) -> OwnLoss | None:
    """The claims under which every returned loss is right, or None where there are none, or no loss came back."""
    usable = [one for one in answered if one.claimed.loss is not None and np.isfinite(one.claimed.loss)]
    if len(usable) < ENOUGH or len(usable) < len(answered) or all(_loss_fits(one) for one in usable):
        return None
    # Numbers that nobody need have typed before those that are fitted.
    for fixed, loss in [(fixed, loss) for fixed in (True, False) for loss in _losses(claims)]:
        sums = np.array([_summed(one, loss, claims) for one in usable])
        if not np.isfinite(sums).all():
            continue
        for assumed in _assumed(usable, sums, loss, claims, fixed=fixed):
            judged = _judged_by(assumed, loss, usable)
            if len(judged) >= ENOUGH and 2 * len(judged) > len(usable) and all(_loss_fits(one) for one in judged):
                return OwnLoss(assumed, tuple(judged))
    return None


def tell_own_loss(own: OwnLoss, claims: Claims, *, gradients: str) -> Diagnosis:
    """What the loss is, and the lines that declare it. `gradients`: what is to be said of the gradients."""
    text = f"The loss that comes back is not the claimed one; on every network it is that of {own.lines(claims)}. {gradients}"
    return Diagnosis("another-loss", "loss", text, f"This holds on all {len(own.answered)} networks.")


def _losses(claims: Claims) -> Iterator[str | None]:
    """None for the claimed losses, then every other that goes with the outputs and the targets, where one is claimed."""
    yield None
    if len(claims.losses) > 1:
        return
    real = claims.targets_for(claims.losses[0]) == "real"
    for loss in LOSSES:
        fits = all(goes_with(output, loss) for output in claims.output_activations)
        if loss not in claims.losses and fits and (not real or loss in SQUARED_LOSSES):
            yield loss


def _summed(one: Answered, loss: str | None, claims: Claims) -> float:
    """The sum of a loss over the batch, without penalty and scale."""
    plain = replace(claims, reduction="sum", loss_scale=1.0, l2=0.0)
    architecture = architecture_of(one.problem)
    problem = build_problem(architecture if loss is None else replace(architecture, loss=loss), one.problem.arrays, plain)
    values = textbook.forward(problem.program, textbook.double(problem.arrays))
    return float(values[problem.program.loss])


def _assumed(usable: Sequence[Answered], sums: FloatArray, loss: str | None, claims: Claims, *, fixed: bool) -> Iterator[Claims]:
    """Claims by reduction with the scale and the penalty that fit best: those with the fewest numbers first."""
    returned = np.array([one.claimed.loss for one in usable], dtype=np.float64)
    batches = np.array([len(one.problem.arrays["x"]) for one in usable], dtype=np.float64)
    outputs = np.array([one.problem.arrays["y"].shape[1] for one in usable], dtype=np.float64)
    squares = np.array([_squares(one) for one in usable])
    losses = claims.losses if loss is None else (loss,)
    divisors = {"mean": batches, "sum": np.ones_like(batches), "mean_all": batches * outputs}
    order = (claims.reduction, *(reduction for reduction in REDUCTIONS if reduction != claims.reduction))
    for penalised in (False, True):
        for reduction in order:
            data = sums / divisors[reduction]
            for shared in (claims.l2_over_batch, not claims.l2_over_batch) if penalised else (claims.l2_over_batch,):
                found = _fit(returned, data, squares / batches if shared else squares, claims, penalised=penalised, fixed=fixed)
                if found is not None:
                    scale, l2 = found
                    yield replace(claims, losses=losses, reduction=reduction, loss_scale=scale, l2=l2, l2_over_batch=shared)


def _squares(one: Answered) -> float:
    return float(
        sum((np.asarray(array, np.float64) ** 2).sum() for name, array in one.problem.arrays.items() if name.startswith("weights"))
    )


def _fit(
    returned: FloatArray, data: FloatArray, squares: FloatArray, claims: Claims, *, penalised: bool, fixed: bool
) -> tuple[float, float] | None:
    """Scale and λ by least squares, weighted by each loss's own size, as somebody would have typed them; None where they do not fit.

    Without a penalty of its own λ is the claimed one, or none; a fixed scale is the claimed one.
    """
    weight = 1 / np.maximum(np.abs(returned), 1e-300)
    if not penalised:
        for l2 in dict.fromkeys((claims.l2, 0.0)):
            base = data + l2 * squares
            scale = (
                claims.loss_scale if fixed else _typed(float((weight * weight * base * returned).sum() / (weight * base**2 * weight).sum()))
            )
            if scale != 0 and _near(scale * base, returned):
                return scale, l2
        return None
    if fixed:
        rest = returned - claims.loss_scale * data
        found = np.array([claims.loss_scale, float((weight**2 * squares * rest).sum() / max((weight**2 * squares**2).sum(), 1e-300))])
    else:
        found = np.linalg.lstsq((weight[:, None] * np.stack([data, squares], axis=1)), weight * returned, rcond=None)[0]
    scale = _typed(float(found[0]))
    l2 = _typed(float(found[1]) / scale) if scale else 0.0
    return (scale, l2) if scale and l2 > LEAST and _near(scale * (data + l2 * squares), returned) else None


def _near(found: FloatArray, returned: FloatArray) -> bool:
    """A filter: nothing that the tolerances would keep is lost, but for float32."""
    return bool(np.all(np.abs(found - returned) <= 1e-4 * np.abs(returned)))


def _typed(value: float) -> float:
    for digits in range(1, 7):
        if np.isfinite(value) and abs(float(f"{value:.{digits - 1}e}") - value) <= TYPED * abs(value):
            return float(f"{value:.{digits - 1}e}")
    return value


def _judged_by(claims: Claims, loss: str | None, usable: Sequence[Answered]) -> list[Answered]:
    """The networks as these claims have them; without those that are then no ordinary ones, or stand at a kink."""
    found = []
    for one in usable:
        architecture = architecture_of(one.problem)
        architecture = architecture if loss is None else replace(architecture, loss=loss)
        problem = build_problem(architecture, one.problem.arrays, claims)
        reference = refer_if_deciding(problem)
        if reference is not None:
            found.append(Answered(problem, reference, one.claimed))
    return found


def _loss_fits(one: Answered) -> bool:
    right, claimed = one.reference.loss, one.claimed.loss
    return right is not None and claimed is not None and abs(claimed - right) <= one.reference.loss_tolerance()


def _gradients_fit(one: Answered) -> bool:
    right = one.reference.gradients
    return all(
        bool(np.all(np.abs(gradient - right[name]) <= one.reference.gradient_tolerance(name) + one.claimed.rounding.get(name, 0.0)))
        for name, gradient in one.claimed.gradients.items()
    )
