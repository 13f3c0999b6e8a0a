"""Which known mistake predicts the numbers: of code written apart from the textbook, never of right code."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import diagnosis_power
from benchmarks.diagnosis_power import IMPLEMENTATIONS
from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.mlp import matching
from verifier.diagnosis.mlp.faults import BY_ID
from verifier.diagnosis.mlp.matching import SHOWN_ON, match_faults, match_pairs

SQUARE = Claims(layers=3, sizes=(3, 3, 3, 3))


def first(matches):
    return matches[0].hypothesis.id if matches else None


@pytest.mark.parametrize("style", ["vectorised", "einsum", "loops"])
@pytest.mark.parametrize("fault", ["hidden-derivative-missing", "bias-one-number", "derivative-of-activation", "last-sample-only"])
def test_a_planted_fault_is_matched_however_the_code_sums(fault, style, answers):
    assert first(match_faults(answers(Claims(), [fault], style=style), Claims())) == fault


REGULARISED = Claims(l2=0.05, l2_over_batch=True)
CLASSES = Claims(output_activations=("softmax",), losses=("cross_entropy",), targets="one_hot")
SLIPS = {  # of published code
    "hidden-activation-for-derivative": Claims(),
    "hidden-derivative-formula-of-delta": Claims(),
    "hidden-error-times-its-complement": Claims(),
    "l2-over-batch-in-gradient-alone": Claims(),
    "l2-of-the-sum": REGULARISED,
    "l2-of-summed-gradient": REGULARISED,
    "target-set-to-minus-one": CLASSES,
    "output-activation-twice": CLASSES,
    "outputs-and-targets-exchanged": Claims(losses=("binary_cross_entropy",)),
    "output-derivative-formula-of-delta": Claims(),
    "output-error-times-its-complement": Claims(activations=("tanh",), losses=("binary_cross_entropy",)),
    "hidden-derivative-plus-constant": Claims(),
    "clipped-by-norm-with-epsilon": Claims(),
    "normalised-with-epsilon": Claims(),
    "error-clipped": Claims(output_activations=("identity",)),
    "loss-of-each-output-carried-back": Claims(losses=("binary_cross_entropy",)),
    "hidden-bias-one-number": Claims(),
    "l2-not-in-first-gradient": Claims(l2=0.05),
}


@pytest.mark.parametrize(("fault", "claims"), SLIPS.items(), ids=SLIPS)
def test_a_slip_of_published_code_is_matched(fault, claims, answers):
    assert first(match_faults(answers(claims, [fault], count=14), claims)) == fault


@pytest.mark.parametrize("fault", ["untransposed-weights", "same-layer-weights", "activation-of-own-layer", "bias-of-layer-above"])
def test_faults_of_square_layers_are_told_apart(fault, answers):
    assert first(match_faults(answers(SQUARE, [fault]), SQUARE)) == fault


def test_right_code_matches_nothing(answers):
    for _, claims in IMPLEMENTATIONS[:3]:
        right = answers(claims, count=SHOWN_ON + 2)
        assert match_faults(right, claims) == []


def test_a_free_constant_is_fitted_and_told(answers):
    claims = Claims(activations=("leaky_relu",), output_activations=("identity",))
    [match, *_] = match_faults(answers(claims, ["hidden-leaky-slope"]), claims)
    assert match.hypothesis.id == "hidden-leaky-slope"
    assert match.hypothesis.constants == (0.25,)


def test_the_rate_of_weights_updated_first_is_recovered(answers):
    [match, *_] = match_faults(answers(Claims(), ["updated-before-propagated"]), Claims())
    assert (match.hypothesis.id, match.hypothesis.constants) == ("updated-before-propagated", (0.25,))


def test_nine_networks_are_too_few_for_a_name(answers):
    # Nine networks on which it shows, of chance alone too few; ten do.
    assert match_faults(answers(Claims(), ["sign"], count=9), Claims()) == []
    assert first(match_faults(answers(Claims(), ["sign"], count=10), Claims())) == "sign"


def test_two_faults_are_named_as_a_pair_though_one_is_silent_where_every_unit_is_on(answers):
    claims = Claims(activations=("leaky_relu",), output_activations=("leaky_relu",))
    both = answers(claims, ["output-derivative-missing", "sign"], count=14)
    assert match_faults(both, claims) == []
    assert "output-derivative-missing + sign" in [match.hypothesis.id for match in match_pairs(both, claims)]


def test_one_network_that_disagrees_refutes_a_name(answers):
    wrong, right = answers(Claims(), ["sign"], count=20), answers(Claims(), count=1, seed=9)
    assert first(match_faults(wrong, Claims())) == "sign"
    assert match_faults([*wrong, *right], Claims()) == []


PAIRS = (  # one replaces what the other scales, takes from another tensor, or leaves at 0
    ("updated-before-propagated", "mean-on-the-way-down", Claims()),
    ("updated-before-propagated", "biases-of-first-layer", SQUARE),
    ("hidden-derivative-of-delta", "bias-one-number-of-layer-above", Claims(output_activations=("softmax",))),
)


@pytest.mark.parametrize(("one", "other", "claims"), PAIRS)
def test_a_pair_is_matched_where_each_changes_what_the_other_does(one, other, claims, answers, monkeypatch):
    monkeypatch.setattr(matching, "PREDICTING", tuple(sorted((BY_ID[one], BY_ID[other]), key=matching.PREDICTING.index)))
    assert first(match_pairs(answers(claims, [one, other], count=24), claims)) in (f"{one} + {other}", f"{other} + {one}")


def test_two_small_mistakes_are_matched_where_together_they_are_nearly_right(answers, monkeypatch):
    small = {"epsilon-in-gradient-alone": 1e-6, "l2-in-gradient-alone": 1e-5}
    monkeypatch.setattr(diagnosis_power, "constant_of", small.__getitem__)
    asked = answers(Claims(losses=("binary_cross_entropy",)), list(small), count=24)
    [match, *_] = match_pairs(asked, Claims(losses=("binary_cross_entropy",)))
    assert match.hypothesis.id == " + ".join(small)
    assert match.hypothesis.constants == pytest.approx(tuple(small.values()))


def test_beside_a_nearly_right_gradient_no_large_mistakes_are_paired(answers, monkeypatch):
    claims, tried = Claims(losses=("binary_cross_entropy",)), []
    monkeypatch.setattr(matching, "_judge", lambda hypothesis, *others: tried.append(hypothesis))
    nearly = [replace(one, claimed=replace(one.claimed, gradients=off(one.claimed.gradients))) for one in answers(claims, count=12)]
    match_pairs(nearly, claims)
    ids = {fault.id for hypothesis in tried for fault in hypothesis.faults}
    assert "epsilon-in-gradient-alone" in ids and not ids & {"sign", "hidden-derivative-missing", "bias-one-number"}


def off(gradients):
    """By a part in 100,000, smoothly, as of a constant with too few digits."""
    return {name: gradient * (1 + 1e-5 * np.sin(np.arange(gradient.size).reshape(gradient.shape))) for name, gradient in gradients.items()}
