"""A loss that is a known one, but not the claimed one, is found with the lines that declare it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from verifier import textbook
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of, build_problem
from verifier.diagnosis.mlp.hints import hint_for
from verifier.diagnosis.mlp.losses import explain_the_loss
from verifier.diagnosis.mlp.losses_in_part import find_part
from verifier.diagnosis.mlp.own_loss import find_own_loss, tell_own_loss
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.oracles.reference import Answered

SQUARED = Claims(activations=("tanh",), output_activations=("sigmoid",))
BINARY = replace(SQUARED, losses=("binary_cross_entropy",))
OTHERS = {
    "twice": (SQUARED, {"loss_scale": 2.0}),
    "the sign": (SQUARED, {"loss_scale": -1.0}),
    "summed": (SQUARED, {"reduction": "sum"}),
    "over outputs too": (SQUARED, {"reduction": "mean_all"}),
    "halved": (SQUARED, {"losses": ("half_squared_error",)}),
    "a penalty": (SQUARED, {"l2": 0.03}),
    "a penalty over the batch": (SQUARED, {"l2": 0.5, "l2_over_batch": True}),
    "a penalty less": (replace(SQUARED, l2=0.1), {"l2": 0.0}),
    "summed and halved with a penalty": (SQUARED, {"reduction": "sum", "loss_scale": 0.25, "l2": 0.2}),
    "a squared error for a cross-entropy": (BINARY, {"losses": ("squared_error",), "reduction": "sum"}),
}


def answered(claims: Claims, other: Claims, *, gradient: float = 1.0, loud: bool = False) -> list[Answered]:
    """Answers by other claims than those by which they are judged."""
    found = []
    for problem, reference in draw_probes(claims, seed=3, count=24, loud=loud):
        architecture = replace(architecture_of(problem), loss=other.losses[0])
        evaluation = textbook.evaluate(build_problem(architecture, problem.arrays, other))
        scaled = {name: gradient * array for name, array in evaluation.gradients.items()}
        found.append(Answered(problem, reference, replace(evaluation, gradients=scaled)))
    return found


@pytest.mark.parametrize(("claims", "changes"), OTHERS.values(), ids=OTHERS)
def test_it_is_found_and_the_gradients_are_judged_by_it(claims, changes):
    other = replace(claims, **changes)
    own = find_own_loss(answered(claims, other), claims)
    assert own is not None
    assert {**own.claims.as_manifest(defaults=True), "l2_over_batch": None} == {**other.as_manifest(defaults=True), "l2_over_batch": None}
    assert own.fits_gradients()
    told = tell_own_loss(own, claims, gradients="")
    assert told.equation == "loss"
    for key, value in changes.items():
        assert f"{key} = {json.dumps(value)}" in told.explanation
    wrong = find_own_loss(answered(claims, other, gradient=-1.0), claims)
    assert wrong is not None and not wrong.fits_gradients()


def test_a_root_of_the_loss_is_told():
    right = answered(SQUARED, SQUARED)
    assert explain_the_loss([replace(one, claimed=replace(one.claimed, loss=one.claimed.loss**0.5)) for one in right]).fault == "loss-root"
    assert explain_the_loss([replace(one, claimed=replace(one.claimed, loss=one.claimed.loss**0.4)) for one in right]).fault == "wrong-loss"


def _samples(p, y):
    return ((p - y) ** 2).sum(axis=1)


def _entropies(p, y, rest=None):
    return -(y * np.log(p) + (1 - y) * np.log(1 - p if rest is None else rest)).sum(axis=1)


IN_PART = {
    "the last sample's": (SQUARED, lambda p, y: _samples(p, y)[-1], "of the last sample alone."),
    "the last sample's, averaged": (SQUARED, lambda p, y: _samples(p, y)[-1] / len(y), "last sample alone, divided as the whole is"),
    "without the first": (SQUARED, lambda p, y: _samples(p, y)[1:].sum() / len(y), "all samples but the first, divided"),
    "one output's": (SQUARED, lambda p, y: ((p - y) ** 2)[:, 0].mean(), "of the first output alone"),
    "the worst sample's": (SQUARED, lambda p, y: _samples(p, y).max(), "whose loss is the largest"),
    "clipped": (BINARY, lambda p, y: _entropies(np.clip(p, 0.2, 0.8), y).mean(), "probabilities held between 0.2 and 0.8"),
    "an ε": (BINARY, lambda p, y: _entropies(p + 0.01, y, 1.01 - p).mean(), "log(ŷ + 0.01)"),
    "a last sample's entropy": (BINARY, lambda p, y: _entropies(p, y)[-1], "of the last sample alone."),
}


@pytest.mark.parametrize(("claims", "loss", "said"), IN_PART.values(), ids=IN_PART)
def test_a_loss_of_a_part_or_of_held_probabilities_is_named(claims, loss, said):
    found = []
    for one in answered(claims, claims, loud="probabilities" in said or "log" in said):
        a, layers = one.problem.arrays["x"], architecture_of(one.problem).layers
        for layer in range(layers):
            z = a @ one.problem.arrays[f"weights[{layer}]"].T + one.problem.arrays[f"biases[{layer}]"]
            a = np.tanh(z) if layer < layers - 1 else 1 / (1 + np.exp(-z))
        found.append(replace(one, claimed=replace(one.claimed, loss=float(loss(a, one.problem.arrays["y"])))))
    told = find_part(found, claims)
    assert told is not None and said in told.explanation
    elsewhere = replace(found[0], claimed=replace(found[0].claimed, loss=1.01 * found[0].claimed.loss))
    assert find_part([elsewhere, *found[1:]], claims) is None
    assert find_part(answered(claims, claims), claims) is None


def test_a_right_loss_and_an_unknown_one_are_no_other_loss():
    right = answered(SQUARED, SQUARED)
    assert find_own_loss(right, SQUARED) is None
    cubed = [replace(one, claimed=replace(one.claimed, loss=abs(one.claimed.loss) ** 1.5)) for one in right]
    assert find_own_loss(cubed, SQUARED) is None
    lost = [replace(one, claimed=replace(one.claimed, loss=np.nan)) for one in right]
    assert find_own_loss(lost, SQUARED) is None


def test_a_hint_takes_no_sum_for_a_mean():
    told = "The loss is a mean over the batch: divide the gradient by its size too."
    assert "is a sum" in hint_for("missing-mean", told, replace(SQUARED, reduction="sum"))
    assert hint_for("missing-mean", told, SQUARED) == told
    assert "adds up the outputs" in hint_for("factor-outputs", "The loss is averaged over the outputs.", SQUARED)


@pytest.mark.parametrize("fault", ["factor-half", "factor-two"])
def test_a_hint_speaks_of_the_claimed_loss_alone(fault):
    for loss in ("binary_cross_entropy", "squared_error", "half_squared_error"):
        hint = hint_for(fault, "The derivative of ½(y - ŷ)² is ŷ - y, without a 2.", replace(SQUARED, losses=(loss,)))
        assert ("cross-entropy" in hint) == (loss == "binary_cross_entropy")
        assert ("(y - ŷ)²" in hint) == (loss != "binary_cross_entropy")


@pytest.mark.parametrize(("factor", "of_parameters"), [("0.3", True), ("0.003 * (x ** 4).sum()", False)])
def test_a_wrong_term_of_parameters_alone_is_told_from_a_wrong_forward_pass(told_of, factor, of_parameters):
    rows = "sum((p[1:] ** 2).sum() for p in [*weights, *biases])"
    loss = f"((p - y) ** 2).sum() / len(x) + {factor} / len(x) * {rows}"
    gradient = f"[g + 2 * {factor} / len(x) * np.concatenate([0 * p[:1], p[1:]]) for p, g in zip"
    end = f"gw, gb = {gradient}(weights, gw)], {gradient}(biases, gb)]"
    verdict, [first, *_] = told_of(claims="# l2 = 0.3\n# l2_over_batch = true\n", loss=loss, end=end)
    assert (verdict, first.fault) == ("fail", "no-known-mistake")
    assert ("a term of the parameters alone is not" in first.explanation) == of_parameters, first.explanation
