"""What is wrong, from what a candidate answered: the pre-tests in order, then the known mistakes, then the first wrong equation.

Order: what the checks saw themselves (state, changed arguments); precision; a factor on the whole gradient; every fault, then every pair
of faults; calls in a row; the first equation that departs, with what else can be said. Each is asked only where the ones before it are
silent. Nothing here runs for a candidate that passes.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.mlp.changing import tell_changes
from verifier.diagnosis.mlp.departure import LONG, Departure, find_departure, find_departure_among, signature
from verifier.diagnosis.mlp.factors import explain_by_a_factor
from verifier.diagnosis.mlp.faults import BY_ID
from verifier.diagnosis.mlp.features import tell_features
from verifier.diagnosis.mlp.losses import explain_the_loss
from verifier.diagnosis.mlp.losses_in_part import find_part
from verifier.diagnosis.mlp.matching import SHOWN_ON, Match, agrees, departs, is_finite, match_faults, match_pairs, shows
from verifier.diagnosis.mlp.naming import EQUATION_WORDS, name_fault, name_matches, name_stage
from verifier.diagnosis.mlp.optimizers import explain_by_a_rule, tell_carried
from verifier.diagnosis.mlp.other_losses import find_other_loss
from verifier.diagnosis.mlp.other_network import find_other_network
from verifier.diagnosis.mlp.own_loss import OwnLoss, find_own_loss, tell_own_loss
from verifier.diagnosis.mlp.patterns import departs_without_samples, find_state, is_numerical_differentiation, mixes_samples
from verifier.diagnosis.mlp.precision import Closeness, judge_closeness
from verifier.diagnosis.mlp.probing import Ask, ask_about, draw_probes
from verifier.diagnosis.mlp.remembering import find_memory
from verifier.diagnosis.mlp.rules_by_part import explain_by_parts
from verifier.diagnosis.mlp.steps import explain_by_a_step
from verifier.diagnosis.mlp.updates import Step, explain_update
from verifier.diagnosis.mlp.variation import Hypothesis, predict, single
from verifier.oracles.reference import Answered
from verifier.oracles.steps import Path
from verifier.problems.program import Problem
from verifier.results.report import Diagnosis

Walk = Callable[[Problem], Path | None]

CLEARLY = 10  # times what differences exclude: an error that they would have seen
SLIGHT = 1e-3  # of the loss: beyond, a forward pass is another one
BEYOND = 1e3  # times a forward pass's own departure: an error of the backward pass is larger
ROOM = 32  # times a forward pass's own departure, for what it does to a gradient
JUDGED_ON = 60  # networks of the corpus that hypotheses are held against; those on which the candidate is wrong first
PROBED_ON = 24  # more networks, drawn for the purpose, where too few of the corpus show a fault
PATHS = 4  # of steps, from networks drawn for the purpose
UNKNOWN = "no-known-mistake"
_KEPT = "state-kept-between-calls"
_OF_ONE_ANSWER = frozenset({"reversed-order", "layers-in-another-order"})  # not told where each answer is another one
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
        walk: a path of steps from a network, in a new worker; None where there is no `update`.
        steps_alone: whether it has `update` alone, so that gradients are known by steps only.
        differences: where finite differences of the candidate's own loss agree with its gradients, the relative error that they exclude.
    """

    claims: Claims
    answered: Sequence[Answered]
    failed: Collection[str]
    shown: tuple[Diagnosis, ...]
    stage: str | None
    ask: Ask
    step: Step | None
    seed: int
    differences: float | None = None
    walk: Walk | None = None
    steps_alone: bool = False


@dataclass(frozen=True)
class Diagnosed:
    """The explanations, best first; the hypothesis that predicts the gradients, and the equations that depart, where they are known."""

    diagnosis: tuple[Diagnosis, ...] = ()
    hypothesis: Hypothesis | None = None
    departure: Departure | None = None


def diagnose(symptoms: Symptoms) -> Diagnosed:
    """The best explanation of a failed run; empty where nothing can be said."""
    if symptoms.steps_alone or symptoms.failed == ["update"]:
        of_rule = _another_rule(symptoms)
        if of_rule is not None:
            return Diagnosed((of_rule,))
    if symptoms.steps_alone and "autograd" in symptoms.failed and symptoms.step is not None:
        # What a step shows of a gradient is the step: a law of steps goes before one of gradients.
        of_law = explain_update(symptoms.claims, symptoms.step, seed=symptoms.seed)
        if of_law is not None and of_law.fault != UNKNOWN:
            return Diagnosed((of_law,))
    of_steps = [diagnosis for diagnosis in symptoms.shown if diagnosis.fault == "updated-before-propagated"]
    if symptoms.shown and not (of_steps and "autograd" in symptoms.failed):
        return _seen_by_checks(symptoms)
    if of_steps:
        return _beside_a_step(_wrong_gradients(symptoms), symptoms)
    if "autograd" in symptoms.failed:
        return _wrong_gradients(symptoms)
    if "forward" in symptoms.failed:
        of_loss = explain_the_loss(symptoms.answered)
        changes = tell_changes(symptoms.claims, symptoms.ask, seed=symptoms.seed) if of_loss.fault == "wrong-loss" else None
        own = find_own_loss(_judged_on(symptoms.answered), symptoms.claims) if of_loss.fault == "wrong-loss" and changes is None else None
        if own is not None:
            words = "The gradients are those of the claimed one: it is the loss that is wrong."
            of_loss = tell_own_loss(own, symptoms.claims, gradients=words)
        elif of_loss.fault == "wrong-loss" and changes is None:
            judged = _judged_on(symptoms.answered)
            other = find_other_loss(judged, symptoms.claims, right_gradients=True)
            of_loss = other or find_part(judged, symptoms.claims) or of_loss
        return Diagnosed((changes or of_loss,))
    rule = symptoms.claims.optimizer
    if "update" in symptoms.failed and symptoms.step is not None and (rule is None or rule.plain):
        of_step = explain_update(symptoms.claims, symptoms.step, seed=symptoms.seed)
        of_step = of_step or _carried(symptoms)
        return Diagnosed((of_step,) if of_step is not None else ())
    if "stages" in symptoms.failed and symptoms.stage is not None:
        return Diagnosed((name_stage(symptoms.stage),))
    kept = _kept_between_calls(symptoms, symptoms.answered) if CONSISTENCY & set(symptoms.failed) else None
    return Diagnosed() if kept is None else Diagnosed((kept,))


def _another_rule(symptoms: Symptoms) -> Diagnosis | None:
    """The optimiser whose rule the steps follow, where it is another than the claimed one."""
    known = "autograd" not in symptoms.failed and not symptoms.steps_alone
    paths, claimed = _paths(symptoms), symptoms.claims.optimizer
    found = explain_by_a_rule(paths, claimed, seed=symptoms.seed, right_gradients=known)
    return found if found is not None and found.fault != UNKNOWN else explain_by_parts(paths, claimed, seed=symptoms.seed) or found


def _carried(symptoms: Symptoms) -> Diagnosis | None:
    """That something is carried from step to step, where no rule says what."""
    return tell_carried(_paths(symptoms), seed=symptoms.seed)


def _paths(symptoms: Symptoms) -> list[Path]:
    if symptoms.walk is None:
        return []
    probes = [*draw_probes(symptoms.claims, seed=symptoms.seed + 7, count=PATHS)]
    if symptoms.claims.batch != "single":
        probes += draw_probes(symptoms.claims, seed=symptoms.seed + 7, count=1, batch=LONG)
    return [path for problem, _ in probes if (path := symptoms.walk(problem)) is not None]


def shows_the_same(diagnosed: Diagnosed, one: Answered, claims: Claims) -> bool:
    """Whether one network shows what was diagnosed: the hypothesis predicts the answer there, else the same first equation departs."""
    if diagnosed.hypothesis is not None:
        predicted = predict(one.problem, claims, diagnosed.hypothesis)
        return predicted is not None and agrees(predicted, one) and shows(predicted, one) and _needs_each(diagnosed.hypothesis, one, claims)
    departure = diagnosed.departure
    if departure is None or departure.equation is None:
        return True
    return signature(one, claims)[:1] == (("batch",) if departure.batch else (departure.equation,))


def _needs_each(hypothesis: Hypothesis, one: Answered, claims: Claims) -> bool:
    """Whether none of several faults explains the network alone: all of them are to be seen there."""
    for fault, constant in zip(hypothesis.faults, hypothesis.constants, strict=True):
        alone = None if len(hypothesis.faults) == 1 else predict(one.problem, claims, single(fault, constant))
        if alone is not None and agrees(alone, one):
            return False
    return True


def _seen_by_checks(symptoms: Symptoms) -> Diagnosed:
    """What a check saw itself, named more precisely where a few calls in a row show which state is kept."""
    faults, kept = {one.fault for one in symptoms.shown}, None
    if _KEPT in faults:
        kept = _kept_between_calls(symptoms, symptoms.answered)
    elif faults & _OF_ONE_ANSWER:
        kept = tell_changes(symptoms.claims, symptoms.ask, seed=symptoms.seed)
    shown = tuple(one for one in symptoms.shown if one.fault not in _OF_ONE_ANSWER or (kept is None and _KEPT not in faults))
    return Diagnosed(shown if kept is None else (kept, *(one for one in shown if one.fault not in (kept.fault, _KEPT))))


def _beside_a_step(of_gradients: Diagnosed, symptoms: Symptoms) -> Diagnosed:
    """What is wrong with the gradients first, where it is more than the step's own mistake; then what the step showed."""
    first = of_gradients.diagnosis[0] if of_gradients.diagnosis else None
    if first is None or set(first.fault.split(" + ")) & {"updated-before-propagated", "product-of-old-and-new-weights"}:
        return of_gradients if first is not None and " + " in first.fault else _seen_by_checks(symptoms)
    if first.fault == UNKNOWN and first.equation != "output-delta":
        return _seen_by_checks(symptoms)
    also = [msgspec.structs.replace(shown, also=True) for shown in symptoms.shown]
    text = f"{first.explanation} And also: {symptoms.shown[0].explanation}"
    return replace(of_gradients, diagnosis=(msgspec.structs.replace(first, explanation=text), *also, *of_gradients.diagnosis[1:]))


def _kept_between_calls(symptoms: Symptoms, answered: Sequence[Answered]) -> Diagnosis | None:
    """What is kept between calls, or chance, as a few calls in a row tell it."""
    fault = find_state(symptoms.claims, symptoms.ask, answered, seed=symptoms.seed)
    if fault is not None:
        return name_fault(fault)
    evidence = find_memory(symptoms.claims, symptoms.ask, answered, seed=symptoms.seed)
    if evidence is not None:
        return msgspec.structs.replace(name_fault(BY_ID["stale-forward-state"]), explanation=_REMEMBERED, evidence=evidence)
    return tell_changes(symptoms.claims, symptoms.ask, seed=symptoms.seed)


_REMEMBERED = (
    "It remembers an earlier network: part of what it computed there (activations, weights or targets) is used again. "
    "Compute everything again in each call; a cache must be emptied when weights, inputs or targets change."
)
_BIASES_TOO = (
    "Loss and gradient fit each other, but they are not those of the claimed loss: both regularise the biases too. "
    "The claimed one regularises the weights only: leave the biases out of both."
)


def _wrong_gradients(symptoms: Symptoms) -> Diagnosed:
    answered, claims = symptoms.answered, symptoms.claims
    between = _between_the_targets(symptoms)
    if between is not None:
        return between
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
            return Diagnosed((name_fault(BY_ID[name]),))
    if "forward" in symptoms.failed:
        own = find_own_loss(_judged_on(answered), claims)
        if own is not None:
            return _of_own_loss(own, symptoms)
        other = find_other_loss(_judged_on(answered), claims) or find_other_network(answered, claims)
        if other is not None:
            return Diagnosed((other,))
        if not closeness.smooth and not _is_consistent(symptoms):
            answered = _forgiving(answered)
    factor = explain_by_a_factor(answered, claims, own_loss="forward" not in symptoms.failed)
    if factor is not None:
        return Diagnosed((factor,))
    step = explain_by_a_step(answered)
    if step is not None:
        return Diagnosed((step,))
    judged = _judged_on(answered)
    matches = match_faults(judged, claims, at_least=1)
    matches = _shown_enough(matches, judged, symptoms) or match_pairs(judged, claims, at_least=min(SHOWN_ON, len(judged)))
    departure = find_departure(claims, symptoms.ask, seed=symptoms.seed)
    if matches and matches[0].hypothesis.faults == (BY_ID["l2-on-biases"],) and "forward" in symptoms.failed and _is_consistent(symptoms):
        return Diagnosed((Diagnosis("another-loss", "loss", _BIASES_TOO),))
    if matches:
        return Diagnosed(name_matches(matches, departure, claims), matches[0].hypothesis, departure)
    kept = _kept_between_calls(symptoms, answered)
    if kept is not None:
        return Diagnosed((kept,))
    if not departure.showing and "forward" not in symptoms.failed:
        departure = find_departure_among([one for one in answered if departs(one)], claims, symptoms.ask)
    return Diagnosed(_of_departure(departure, symptoms, closeness), None, departure)


_AT_THE_ENDS = "With targets of exactly 0 or 1 the gradients are NaN or infinite: this was found with targets between them."


def _between_the_targets(symptoms: Symptoms) -> Diagnosed | None:
    """Where targets of 0 and 1 leave no finite gradient, as log y does: what the answers to targets between them show, or None."""
    claims = symptoms.claims
    losses = [loss for _, loss in claims.pairs()]
    wrong = [one for one in symptoms.answered if departs(one)]
    if any(claims.targets_for(loss) not in ("binary", "one_hot") for loss in losses) or any(is_finite(one) for one in wrong):
        return None
    inside = replace(claims, targets="probability")
    answered = list(ask_about(draw_probes(inside, seed=symptoms.seed + 9, count=PROBED_ON), symptoms.ask))
    if len(answered) < SHOWN_ON or not any(departs(one) for one in answered):
        return None
    found = _wrong_gradients(replace(symptoms, claims=inside, answered=answered)).diagnosis
    return Diagnosed(tuple(msgspec.structs.replace(one, explanation=f"{one.explanation} {_AT_THE_ENDS}") for one in found))


def _of_own_loss(own: OwnLoss, symptoms: Symptoms) -> Diagnosed:
    """The returned loss is a known one, but not that which is claimed: the gradients are judged by it."""
    if own.fits_gradients():
        words = (
            "The gradients are its derivative: the backward pass fits its own loss. "
            "Declare that in the manifest, or change loss and gradient together."
        )
        return Diagnosed((tell_own_loss(own, symptoms.claims, gradients=words),))
    words = "The gradients are not its derivative either."
    failed = tuple(check for check in symptoms.failed if check != "forward")
    inner = _wrong_gradients(replace(symptoms, claims=own.claims, answered=own.answered, failed=failed, stage=None, shown=()))
    return Diagnosed((*inner.diagnosis, tell_own_loss(own, symptoms.claims, gradients=words)))


def _is_consistent(symptoms: Symptoms) -> bool:
    """Whether differences of the candidate's own loss agree with its gradients, and would have seen what autograd calls wrong."""
    if symptoms.differences is None:
        return False
    errors = [_relative_error(one) for one in symptoms.answered if departs(one)]
    return bool(errors) and float(np.median(errors)) > CLEARLY * symptoms.differences


@np.errstate(all="ignore")
def _relative_error(one: Answered) -> float:
    """The largest error of a network, relative to its tensor's largest element."""
    right = one.reference.gradients
    return max(
        float(np.max(np.abs(gradient - right[name]), initial=0.0)) / max(float(np.max(np.abs(right[name]), initial=0.0)), 1e-300)
        for name, gradient in one.claimed.gradients.items()
    )


@np.errstate(all="ignore")
def _forgiving(answered: Sequence[Answered]) -> Sequence[Answered]:
    """The networks with room for what a slightly different forward pass does to a gradient; as they are where it is not slight."""
    pairs = [(one.claimed.loss, one.reference.loss) for one in answered]
    departures = [abs(claimed - right) / abs(right) for claimed, right in pairs if claimed is not None and right]
    largest = max(departures, default=np.inf)
    errors = [_relative_error(one) for one in answered if departs(one)]
    if not largest <= SLIGHT or not errors or float(np.median(errors)) <= BEYOND * largest:
        return answered  # another forward pass, or gradients that are off by no more than it is

    def rounding(one: Answered) -> dict[str, FloatArray]:
        found: dict[str, FloatArray] = {}
        for name, gradient in one.reference.gradients.items():
            room = ROOM * largest * max(float(np.max(np.abs(g), initial=0.0)) for g in (gradient, one.claimed.gradients[name]))
            found[name] = np.full(gradient.shape, room) + one.claimed.rounding.get(name, 0.0)
        return found

    return [replace(one, claimed=replace(one.claimed, rounding=rounding(one))) for one in answered]


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


_NEARLY = (
    "Every gradient is nearly right, and what is missing is no rounding: it hardly changes where the numbers hardly change. "
    "Is a constant typed with few digits (2.71828 for e), or an ε added in a denominator?"
)


def _of_departure(departure: Departure, symptoms: Symptoms, closeness: Closeness) -> tuple[Diagnosis, ...]:
    """The first wrong equation and what else can be said, where no known mistake predicts the numbers."""
    features = " ".join([*((_NEARLY,) if closeness.smooth else ()), *tell_features(symptoms.answered)])
    if "forward" in symptoms.failed or symptoms.stage == "forward":
        text = _of_another_forward(symptoms)
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
    text = f"The first equation that departs is {EQUATION_WORDS[equation]} ({where}).{weak}"
    return (Diagnosis(UNKNOWN, equation, f"{text} {features}".strip()),)


def _of_another_forward(symptoms: Symptoms) -> str:
    """What may be said of gradients beside another forward pass: only differences of the candidate's own loss tell that they follow it."""
    text = "The forward pass does not compute what is claimed."
    if departs_without_samples(symptoms.claims, symptoms.ask, seed=symptoms.seed):
        text = (
            "The loss departs from the claimed one by the same for any samples: outputs and data are right in it, and a term of the "
            "parameters alone is not. Which weights does the regularisation take, and does it take biases?"
        )
    if _is_consistent(symptoms):
        return f"{text} The gradients are the derivative of the candidate's own loss: change the forward pass or the loss, and they follow."
    if "finite-difference" in symptoms.failed:
        return f"{text} The gradients are not the derivative of the candidate's own loss either."
    return f"{text} Whether the gradients follow it, differences of the loss do not tell."
