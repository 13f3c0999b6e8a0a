"""A step in place of the gradient: what comes back is the updated parameter, W + c ∂L/∂W, recognised by holding it against W itself."""

from collections.abc import Sequence

import numpy as np

from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.factors import typed
from verifier.oracles.reference import Answered
from verifier.problems.program import machine_epsilon
from verifier.results.report import Diagnosis
from verifier.tolerance import safety

ENOUGH = 10  # networks
ALIKE = 1e-6  # how well the step's factor must agree from network to network


@np.errstate(all="ignore")
def explain_by_a_step(answered: Sequence[Answered]) -> Diagnosis | None:
    """Updated weights (and biases) in place of the gradients, on every network, or None."""
    if len(answered) < ENOUGH:
        return None
    for kinds, what in ((("weights", "biases"), "parameters"), (("weights",), "weights"), (("biases",), "biases")):
        factors = [_factor(one, kinds) for one in answered]
        if not any(factors) or None in factors:
            continue
        law = _law([factor for factor in factors if factor is not None], answered)
        if law is None:
            continue
        text = f"What comes back is not the gradient but the {what} after a step, {law}. Return ∂L/∂W and ∂L/∂b themselves."
        return Diagnosis("updated-parameters-returned", "update", text, f"This holds on all {len(answered)} networks.")
    return None


def _law(factors: Sequence[float], answered: Sequence[Answered]) -> str | None:
    """W + c ∂L/∂W in words, by the law that c follows; None where W + ∂L/∂W may as well be a regularisation."""
    batches = [architecture_of(one.problem).batch for one in answered]
    for divided, words in (([1] * len(batches), ""), (batches, " × (batch size)"), ([1 / batch for batch in batches], " / (batch size)")):
        rates = np.asarray([factor / by for factor, by in zip(factors, divided, strict=True)])
        rate = float(np.median(rates))
        if float(np.max(np.abs(rates - rate))) <= ALIKE * abs(rate):
            if abs(rate - 1) <= ALIKE and not words:
                return None
            sign = "-" if rate < 0 else "+"
            climbs = "" if rate < 0 else " (and uphill: a step subtracts)"
            return f"W {sign} η ∂L/∂W with η = {typed(float(f'{abs(rate):.6g}'))}{words}{climbs}"
    return "W plus a multiple of ∂L/∂W, another one on each network"


def _factor(one: Answered, kinds: tuple[str, ...]) -> float | None:
    """The c of claimed = W + c ∂L/∂W in tensors of these kinds (the others must be right), or None where there is none."""
    right = one.reference.gradients
    stepped = [name for name in one.claimed.gradients if name.startswith(kinds)]
    certain = [(float(np.max(np.abs(right[name]), initial=0.0)), name) for name in stepped]
    if not certain or max(certain)[0] == 0:
        return None
    name = max(certain)[1]
    place = int(np.argmax(np.abs(right[name])))
    factor = float((one.claimed.gradients[name].flat[place] - float(one.problem.arrays[name].flat[place])) / right[name].flat[place])
    epsilon = safety(one.reference.longest) * machine_epsilon(one.problem.dtype)
    for name, claimed in one.claimed.gradients.items():
        start = np.asarray(one.problem.arrays[name], dtype=np.float64) if name in stepped else np.zeros(claimed.shape)
        share = factor if name in stepped else 1.0
        allowed = (1 + abs(share)) * (one.reference.gradient_tolerance(name) + one.claimed.rounding.get(name, 0.0))
        allowed = allowed + 2 * epsilon * (np.abs(start) + np.abs(claimed))
        if not bool(np.all(np.abs(claimed - start - share * right[name]) <= allowed)):
            return None
    return factor
