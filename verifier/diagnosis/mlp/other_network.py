"""The network that a candidate computes in the place of the claimed one: other activations with a loss that goes with them.

Every returned loss is then that of the other network, to its last digits. The gradients are not judged by it: the targets were drawn for
the claimed loss, and what is the right gradient for a softmax and probabilities need not be that for targets that sum to something else.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from verifier import textbook
from verifier.contracts.mlp.claims import HIDDEN_ACTIVATIONS, LOSSES, OUTPUT_ACTIVATIONS, Claims, goes_with
from verifier.contracts.mlp.network import architecture_of, build_problem
from verifier.diagnosis.mlp.faults import BY_ID
from verifier.diagnosis.mlp.matching import agrees
from verifier.diagnosis.mlp.own_loss import ENOUGH, REDUCTIONS
from verifier.diagnosis.mlp.variation import predict, single
from verifier.oracles.reference import Answered
from verifier.results.report import Diagnosis

ALIKE = 1e-9  # relative; a loss of another network agrees by chance once in 10⁹ times, and it has to on ten networks


@np.errstate(all="ignore")
def find_other_network(answered: Sequence[Answered], claims: Claims) -> Diagnosis | None:
    """What the manifest would have to say, where that is one network with one loss; None where none fits, or the claimed one does."""
    usable = [one for one in answered if one.claimed.loss is not None and np.isfinite(one.claimed.loss)]
    single = len(claims.activations) == len(claims.output_activations) == len(claims.losses) == 1
    if not single or len(usable) < max(ENOUGH, len(answered)):
        return None
    deepest_first = sorted(usable, key=lambda one: -architecture_of(one.problem).layers)
    for other in _networks(claims):
        if all(_has_loss_of(one, other) for one in deepest_first):
            if not (lines := _lines(claims, other)) or _left_out(usable, claims):
                return None  # the claimed network, but for a part in 10⁹: an ε in a denominator is no other network
            text = (
                f"The forward pass does not compute what is claimed; on every network it is that of {lines}. "
                "If that is meant, declare it in the manifest, and the gradients are judged by it; else correct the forward pass."
            )
            return Diagnosis("another-loss", "forward", text, f"This holds on all {len(usable)} networks.")
    return None


def _left_out(usable: Sequence[Answered], claims: Claims) -> bool:
    """Whether the output's activation is left out in loss and gradients alike, which the catalogue names."""
    fault = single(BY_ID["linear-output"])
    return all((found := predict(one.problem, claims, fault)) is not None and agrees(found, one) for one in usable)


def _networks(claims: Claims) -> Iterator[Claims]:
    """Other claims, those with the fewest changes first."""
    found = [
        replace(claims, activations=(hidden,), output_activations=(output,), losses=(loss,), reduction=reduction)
        for hidden in HIDDEN_ACTIVATIONS
        for output in OUTPUT_ACTIVATIONS
        for loss in LOSSES
        if goes_with(output, loss)
        for reduction in REDUCTIONS
    ]
    return iter(
        sorted(found, key=lambda other: (len(_changes(claims, other)), "logits" in other.losses[0] or "softmax" in other.losses[0]))
    )


def _has_loss_of(one: Answered, claims: Claims) -> bool:
    architecture = architecture_of(one.problem)
    activations = (*claims.activations * (architecture.layers - 1), *claims.output_activations)
    problem = build_problem(replace(architecture, activations=activations, loss=claims.losses[0]), one.problem.arrays, claims)
    loss = float(textbook.forward(problem.program, textbook.double(problem.arrays))[problem.program.loss])
    return one.claimed.loss is not None and abs(loss - one.claimed.loss) <= ALIKE * abs(loss)


def _changes(claimed: Claims, other: Claims) -> dict[str, object]:
    before, after = claimed.as_manifest(defaults=True), other.as_manifest(defaults=True)
    return {key: value for key, value in after.items() if before[key] != value}


def _lines(claimed: Claims, other: Claims) -> str:
    return ", ".join(f"`{key} = {json.dumps(value)}`" for key, value in _changes(claimed, other).items())
