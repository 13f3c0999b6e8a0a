"""What is wrong, from what a candidate answered: the pre-tests in order, then the known mistakes, then the first wrong equation.

Order: what the checks saw themselves (state, changed arguments); precision; a factor on the whole gradient; every fault, then every pair
of faults; calls in a row; the first equation that departs, with what else can be said. Each is asked only where the ones before it are
silent. Nothing here runs for a candidate that passes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.mlp.departure import Departure, find_departure, signature
from verifier.diagnosis.mlp.factors import explain_by_a_factor
from verifier.diagnosis.mlp.faults import BY_ID
from verifier.diagnosis.mlp.features import tell_features
from verifier.diagnosis.mlp.losses import explain_the_loss
from verifier.diagnosis.mlp.matching import SHOWN_ON, Match, agrees, departs, match_faults, match_pairs, shows
from verifier.diagnosis.mlp.patterns import answers_at_random, find_state, is_numerical_differentiation, mixes_samples
from verifier.diagnosis.mlp.precision import Closeness, judge_closeness
from verifier.diagnosis.mlp.probing import Answered, Ask, ask_about, draw_probes
from verifier.diagnosis.mlp.remembering import find_memory
from verifier.diagnosis.mlp.steps import explain_by_a_step
from verifier.diagnosis.mlp.updates import Step, find_update_fault
from verifier.diagnosis.mlp.variation import Fault, Hypothesis, predict, single
from verifier.results.report import Diagnosis

JUDGED_ON = 60  # networks of the corpus that hypotheses are held against; those on which the candidate is wrong first
PROBED_ON = 24  # more networks, drawn for the purpose, where too few of the corpus show a fault
ALTERNATIVES = 4
UNKNOWN = "no-known-mistake"
CONSISTENCY = frozenset({"purity", "batch-additivity", "unit-permutation"})  # one network against another: what is kept between them shows


@dataclass(frozen=True)
class Symptoms:
    """What is known before the diagnosis.

    Attributes:
        answered: ordinary networks with finite or infinite answers, in the order in which they were asked.
        failed: ids of the checks that failed.
        shown: what the checks themselves saw.
        stage: the equation of the first wrong stage, where the candidate shows its stages.
        ask, step: ways to ask for gradients, and for a step (None where there is no `update`).
    """

    claims: Claims
    answered: Sequence[Answered]
    failed: Collection[str]
    shown: tuple[Diagnosis, ...]
    stage: str | None
    ask: Ask
    step: Step | None
    seed: int


@dataclass(frozen=True)
class Diagnosed:
    """The explanations, best first; the hypothesis that predicts the gradients, and the equations that depart, where they are known."""

    diagnosis: tuple[Diagnosis, ...] = ()
    hypothesis: Hypothesis | None = None
    departure: Departure | None = None


def diagnose(symptoms: Symptoms) -> Diagnosed:
    """The best explanation of a failed run; empty where nothing can be said."""
    if symptoms.shown:
        return _seen_by_checks(symptoms)
    if "autograd" in symptoms.failed:
        return _wrong_gradients(symptoms)
    if "forward" in symptoms.failed:
        return Diagnosed((explain_the_loss(symptoms.answered),))
    if "update" in symptoms.failed and symptoms.step is not None:
        fault = find_update_fault(symptoms.claims, symptoms.step, seed=symptoms.seed)
        return Diagnosed((_named(fault),) if fault is not None else ())
    if "stages" in symptoms.failed and symptoms.stage is not None:
        return Diagnosed((_wrong_stage(symptoms.stage),))
    told = _kept_between_calls(symptoms, symptoms.answered) if CONSISTENCY & set(symptoms.failed) else None
    if told is not None:
        return Diagnosed((told,))
    return Diagnosed()


def shows_the_same(diagnosed: Diagnosed, one: Answered, claims: Claims) -> bool:
    """Whether one network shows what was diagnosed: the hypothesis predicts the answer there, else the same first equation departs."""
    if diagnosed.hypothesis is not None:
        predicted = predict(one.problem, claims, diagnosed.hypothesis)
        return predicted is not None and agrees(predicted, one) and shows(predicted, one) and _needs_each(diagnosed.hypothesis, one, claims)
    departure = diagnosed.departure
    if departure is None or departure.equation is None:
        return True
    told = signature(one, claims)
    return told[:1] == (("batch",) if departure.batch else (departure.equation,))


def _needs_each(hypothesis: Hypothesis, one: Answered, claims: Claims) -> bool:
    """Whether none of several faults explains the network alone: all of them are to be seen there."""
    for fault, constant in zip(hypothesis.faults, hypothesis.constants, strict=True):
        alone = None if len(hypothesis.faults) == 1 else predict(one.problem, claims, single(fault, constant))
        if alone is not None and agrees(alone, one):
            return False
    return True


def _seen_by_checks(symptoms: Symptoms) -> Diagnosed:
    """What a check saw itself, named more precisely where a few calls in a row show which state is kept."""
    if any(diagnosis.fault == "state-kept-between-calls" for diagnosis in symptoms.shown):
        told = _kept_between_calls(symptoms, symptoms.answered)
        if told is not None:
            return Diagnosed((told, *symptoms.shown))
    return Diagnosed(symptoms.shown)


def _kept_between_calls(symptoms: Symptoms, answered: Sequence[Answered]) -> Diagnosis | None:
    """What is kept between calls, or chance, as a few calls in a row tell it."""
    fault = find_state(symptoms.claims, symptoms.ask, answered, seed=symptoms.seed)
    if fault is not None:
        return _named(fault)
    evidence = find_memory(symptoms.claims, symptoms.ask, answered, seed=symptoms.seed)
    if evidence is not None:
        return msgspec.structs.replace(_named(BY_ID["stale-forward-state"]), explanation=_REMEMBERED, evidence=evidence)
    at_random = answers_at_random(symptoms.claims, symptoms.ask, seed=symptoms.seed)
    return _named(BY_ID["random-between-calls"]) if at_random else None


_REMEMBERED = (
    "It remembers an earlier network: part of what it computed there (activations, weights or targets) is used again. "
    "Compute everything anew in each call; a cache must be emptied when weights, inputs or targets change."
)


def _wrong_gradients(symptoms: Symptoms) -> Diagnosed:
    answered, claims = symptoms.answered, symptoms.claims
    if len(answered) < SHOWN_ON:
        # One network tells no law: a stored one that is replayed is looked at beside others.
        answered = [*answered, *ask_about(draw_probes(claims, seed=symptoms.seed + 1, count=PROBED_ON), symptoms.ask)]
    closeness = judge_closeness(answered, symptoms.ask, seed=symptoms.seed)
    for name, shown in (
        ("single-precision", closeness.float32),
        ("numerical-differentiation", not closeness.smooth and is_numerical_differentiation(answered)),
    ):
        # A small mistake may look like rounding in float32; but no rounding is predicted to float64's last bits by a fault.
        if shown and not match_faults(_judged_on(answered), claims):
            return Diagnosed((_named(BY_ID[name]),))
    factor = explain_by_a_factor(answered, own_loss="forward" not in symptoms.failed)
    if factor is not None:
        return Diagnosed((factor,))
    step = explain_by_a_step(answered)
    if step is not None:
        return Diagnosed((step,))
    judged = _judged_on(answered)
    matches = match_faults(judged, claims, at_least=1)
    matches = _shown_enough(matches, judged, symptoms) or match_pairs(judged, claims, at_least=min(SHOWN_ON, len(judged)))
    departure = find_departure(claims, symptoms.ask, seed=symptoms.seed)
    if matches:
        return Diagnosed(_of_matches(matches, departure), matches[0].hypothesis, departure)
    told = _kept_between_calls(symptoms, answered)
    if told is not None:
        return Diagnosed((told,))
    return Diagnosed(_of_departure(departure, symptoms, closeness), None, departure)


def _judged_on(answered: Sequence[Answered]) -> list[Answered]:
    """Networks on which the candidate is wrong, and some on which it is right: there a fault must not show."""
    wrong = [one for one in answered if departs(one)]
    right = [one for one in answered if not departs(one)]
    kept = wrong[: max(JUDGED_ON - len(right), 3 * JUDGED_ON // 4)]
    return [*kept, *right[: JUDGED_ON - len(kept)]]


def _shown_enough(matches: Sequence[Match], judged: Sequence[Answered], symptoms: Symptoms) -> list[Match]:
    """The matches that show on ten networks; where the corpus has too few, on networks drawn for the purpose too."""
    if not matches or matches[0].shown_on >= SHOWN_ON:
        return [match for match in matches if match.shown_on >= SHOWN_ON]
    probes = draw_probes(symptoms.claims, seed=symptoms.seed + 2, count=PROBED_ON)
    loud = draw_probes(symptoms.claims, seed=symptoms.seed + 3, count=PROBED_ON, loud=True)
    more = [*judged, *ask_about(probes, symptoms.ask), *ask_about(loud, symptoms.ask)]
    return match_faults(more, symptoms.claims, at_least=SHOWN_ON)


def _of_matches(matches: Sequence[Match], departure: Departure) -> tuple[Diagnosis, ...]:
    """One diagnosis a mistake; of one mistake in several scopes the narrowest."""
    found: list[Diagnosis] = []
    kinds: set[str] = set()
    fixed = all(fault.constant is None for fault in matches[0].hypothesis.faults)
    for match in matches:
        faults = match.hypothesis.faults
        if fixed and any(fault.constant is not None for fault in faults):
            continue  # with a constant to choose it may mimic what the first predicts without one
        kind = " + ".join(fault.kind or fault.id for fault in faults)
        if kind not in kinds:
            kinds.add(kind)
            found.append(_matched(match, departure))
    return tuple(found[: 1 + ALTERNATIVES])


def _matched(match: Match, departure: Departure) -> Diagnosis:
    faults, constants = match.hypothesis.faults, match.hypothesis.constants
    words = [_filled(fault.explanation, constant) for fault, constant in zip(faults, constants, strict=True)]
    explanation = f"{words[0]} {faults[0].hint}" if len(faults) == 1 else " And: ".join(words)
    equations = [fault.equation for fault in faults]
    equation = next((equation for equation in departure.equations if equation in equations), equations[0])
    if equation == "output-delta" and departure.equations and departure.equations[0] == "hidden-delta":
        equation = "hidden-delta"  # a wrong σ' everywhere, where the output's is 1
    evidence = f"It predicts every gradient on {match.asked} networks; on {match.shown_on} of them it shows."
    return Diagnosis(match.hypothesis.id, equation, explanation, evidence)


def _filled(words: str, constant: float) -> str:
    return words.replace("{c}", f"{constant:.6g}")


def _named(fault: Fault) -> Diagnosis:
    return Diagnosis(fault.id, fault.equation, f"{fault.explanation} {fault.hint}")


_EQUATION_WORDS = {
    "forward": "the forward pass, zˡ = Wˡ aˡ⁻¹ + bˡ and aˡ = σ(zˡ)",
    "output-delta": "the output's δ, δᴸ = ∇ₐL ⊙ σ'(zᴸ)",
    "hidden-delta": "the recursion δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ'(zˡ)",
    "weight-gradient": "the weight gradient ∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ",
    "bias-gradient": "the bias gradient ∂L/∂bˡ = δˡ",
    "update": "the update Wˡ ← Wˡ - η ∂L/∂Wˡ",
}


def _wrong_stage(equation: str) -> Diagnosis:
    text = f"The gradients are right; of the stages shown, the first that is wrong belongs to {_EQUATION_WORDS[equation]}."
    return Diagnosis("wrong-stage", equation, text)


_NEARLY = (
    "Every gradient is nearly right, and what is missing is no rounding: it hardly changes where the numbers hardly change. "
    "Is a constant typed with few digits (2.71828 for e), or an ε added in a denominator?"
)


def _of_departure(departure: Departure, symptoms: Symptoms, closeness: Closeness) -> tuple[Diagnosis, ...]:
    """The first wrong equation and what else can be said, where no known mistake predicts the numbers."""
    features = " ".join([*((_NEARLY,) if closeness.smooth else ()), *tell_features(symptoms.answered)])
    if "forward" in symptoms.failed or symptoms.stage == "forward":
        text = "The forward pass is not the claimed one: mend it first, the gradients follow."
        if mixes_samples(symptoms.claims, symptoms.ask, seed=symptoms.seed):
            text += (
                " What one sample adds to the loss depends on the others in its batch: the forward pass mixes samples. "
                "Is a softmax, a mean or a maximum taken over the whole batch, and not over each sample's units?"
            )
        return (Diagnosis(UNKNOWN, "forward", f"{text} {features}".strip()),)
    equation = symptoms.stage or departure.equation
    if equation is None:
        if not features:
            return ()
        return (Diagnosis(UNKNOWN, "", f"No known mistake predicts these numbers. {features}"),)
    where = (
        "in the sum over the batch: single samples are right" if departure.batch else "judged on the candidate's own δ of the layer above"
    )
    weak = " Without biases δ had to be read from the weight gradients, which tells less." if departure.weak else ""
    text = f"The first equation that departs is {_EQUATION_WORDS[equation]} ({where}).{weak}"
    return (Diagnosis(UNKNOWN, equation, f"{text} {features}".strip()),)
