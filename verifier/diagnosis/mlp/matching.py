"""Which known mistake, or pair of them, predicts the candidate's very numbers on every network?

A hypothesis is a fault with its constant. It predicts gradients, at its own scatter (where the truth saturates, the fault need not). It is
refuted by one element of one network. A name is given only where a hypothesis survives all networks, those where the fault shows and those
where it should not, and shows on at least ten: after one network half of all wrong names would still stand, after ten one in a hundred.
Pairs are enumerated, not searched, and only where no single fault survives. A constant is fitted on one network and judged on the rest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.faults import PREDICTING
from verifier.diagnosis.mlp.variation import Constant, Fault, Hypothesis, Prediction, predict, predict_nominal, single
from verifier.oracles.reference import Answered
from verifier.problems.program import machine_epsilon

SHOWN_ON = 10  # networks on which a fault must show before it is named
PAIR_SHOWN_ON = 10
COARSE = 1e-6  # a prediction further off than this part of a tensor's largest element, on an ordinary network, is refuted at once
NEARLY_RIGHT = 1e-4  # of a tensor's largest element: two mistakes that are much larger do not cancel to so little
AFFINE = 1e-9
TYPED = 1e-4  # how near a fitted number may be to the one that somebody typed


@dataclass(frozen=True)
class Match:
    """A hypothesis that survived every network, and on how many of them it shows."""

    hypothesis: Hypothesis
    shown_on: int
    asked: int


@dataclass(frozen=True)
class _Key:
    """The network on which hypotheses are refuted first, with what they all share there."""

    answered: Answered
    values: Mapping[str, FloatArray]
    bounds: Mapping[str, float]  # by the way of fitting, of what was claimed on all networks


def match_faults(answered: Sequence[Answered], claims: Claims, *, at_least: int = SHOWN_ON) -> list[Match]:
    """Every single fault that predicts the candidate's gradients on all networks, in the catalogue's order."""
    ordered = _by_power(answered)
    if not ordered:
        return []
    key = _key(ordered)
    found = []
    for fault in PREDICTING:
        for hypothesis in _with_constants((fault,), (None,), key, claims):
            match = _judge(hypothesis, key, ordered, claims)
            if match is not None and match.shown_on >= at_least:
                found.append(match)
                break
    return found


def match_pairs(answered: Sequence[Answered], claims: Claims, *, at_least: int = PAIR_SHOWN_ON) -> list[Match]:
    """Every pair of faults that predicts the candidate's gradients on all networks, where no single fault does."""
    ordered = _by_power(answered)
    if not ordered:
        return []
    key = _key(ordered)
    found = []
    for first, second in combinations(_worth_pairing(key, claims), 2):
        if second.fault.kind == "updated":
            first, second = second, first  # what sets the δ that is carried down goes before what scales it
        pair = (first.fault, second.fault)
        alike = pair[0] is pair[1] or (pair[0].kind and pair[0].kind == pair[1].kind)
        if alike or not _may_meet(first, second, key.answered.claimed.gradients):
            continue
        for hypothesis in _with_constants(pair, (first.constant, second.constant), key, claims):
            match = _judge(hypothesis, key, ordered, claims)
            if match is not None and match.shown_on >= at_least:
                found.append(match)
                break
    return found


def _by_power(answered: Sequence[Answered]) -> list[Answered]:
    """Networks that refute most first: wrong ones, of several layers and samples, small; one of each shape before the rest."""
    finite = [one for one in answered if is_finite(one)]

    def rank(one: Answered) -> tuple[bool, bool, bool, bool, int]:
        architecture = architecture_of(one.problem)
        size = sum(array.size for array in one.problem.arrays.values())
        return (
            not departs(one),
            one.problem.dtype != "float64",
            not 2 <= architecture.layers <= 3,
            architecture.batch == 1,
            size,
        )

    return sorted(finite, key=rank)


def is_finite(one: Answered) -> bool:
    """Whether every gradient of the candidate is a number."""
    return all(bool(np.isfinite(gradient).all()) for gradient in one.claimed.gradients.values())


@np.errstate(all="ignore")
def departs(one: Answered) -> bool:
    """Whether the candidate is wrong on this network."""
    right = one.reference.gradients
    return not all(
        bool(np.all(np.abs(gradient - right[name]) <= one.reference.gradient_tolerance(name) + _own(one, name)))
        for name, gradient in one.claimed.gradients.items()
    )


def _own(one: Answered, name: str) -> FloatArray | float:
    return one.claimed.rounding.get(name, 0.0)


def _key(ordered: Sequence[Answered]) -> _Key:
    """Of the first networks, the one with the most elements that differ from one another: units alike refute little, nor units all on."""
    bounds = {fit: max(_bound(fit, one.claimed.gradients) for one in ordered) for fit in ("largest", "norm", "norm_each")}
    keys = [_Key(one, textbook.forward(one.problem.program, textbook.double(one.problem.arrays)), bounds) for one in ordered[:24]]
    return max(keys, key=lambda key: (departs(key.answered), _variety(key.answered) + _on_both_sides(key.values)))


def _on_both_sides(values: Mapping[str, FloatArray]) -> int:
    """In how many layers some z are above 0 and some below."""
    return sum(bool((z > 0).any() and (z < 0).any()) for name, z in values.items() if name.startswith("pre_activations"))


def _variety(one: Answered) -> int:
    architecture = architecture_of(one.problem)
    batch, outputs = architecture.batch, architecture.widths[-1]
    return sum(width > 1 for width in architecture.widths) + (batch > 2) + (outputs > 2) + (batch != outputs) + (batch > 1) + (outputs > 1)


@dataclass(frozen=True)
class _Alone:
    """What a fault does alone on the key network: the gradients that it changes, and those that it predicts as the candidate has them.

    `constant` is that of a fault with a choice, which stands here once for each; None where it is fitted to the pair.
    """

    fault: Fault
    constant: float | None
    changed: frozenset[str]
    fitted: frozenset[str]


def _worth_pairing(key: _Key, claims: Claims) -> list[_Alone]:
    """The faults that change something on the key network; where the candidate is nearly right, those alone that change little."""
    right, claimed = key.answered.reference.gradients, key.answered.claimed.gradients
    nearly = _close(claimed, right, NEARLY_RIGHT)
    found = []
    for fault in PREDICTING:
        if fault.couples and fault.constant is not None and fault.constant.choices:
            continue  # rare, and each choice would be tried beside every other fault
        for constant in _choices(fault.constant):
            tried = _some(fault.constant) if constant is None else constant
            predicted = predict_nominal(key.answered.problem, claims, single(fault, tried), key.values)
            if predicted is None or (nearly and constant is not None and not _close(predicted, right, 100 * NEARLY_RIGHT)):
                continue
            changed = frozenset(name for name in predicted if not _close({name: predicted[name]}, right))
            if not changed:
                continue
            open_ = _coupled(changed, claimed) if fault.couples else changed if constant is None else frozenset()
            fitted = open_ | {name for name in predicted if _roughly(name, predicted[name], key.answered)}
            found.append(_Alone(fault, constant, changed, fitted))
    return found


def _coupled(changed: Iterable[str], names: Iterable[str]) -> frozenset[str]:
    """The tensors that a fault between tensors may change beside another fault: all of the kinds that it changes alone."""
    kinds = {name.partition("[")[0] for name in changed}
    return frozenset(name for name in names if name.partition("[")[0] in kinds)


def _choices(constant: Constant | None) -> tuple[float | None, ...]:
    """0 for a fault without a constant, None for one that is fitted."""
    return (0.0,) if constant is None else constant.choices or (None,)


def _some(constant: Constant | None) -> float:
    """A value with which a fitted constant changes whatever it can change."""
    return 0.37 if constant is not None and constant.fit == "affine" else 1e-3


def _may_meet(first: _Alone, second: _Alone, names: Iterable[str]) -> bool:
    """Whether two faults together can predict every gradient: one that the second leaves alone, the first must predict by itself."""
    both = first.changed & second.changed
    return all(
        name in both or (name not in second.changed and name in first.fitted) or (name not in first.changed and name in second.fitted)
        for name in names
    )


@np.errstate(all="ignore")
def _close(one: Mapping[str, FloatArray], other: Mapping[str, FloatArray], share: float = COARSE) -> bool:
    """Whether these gradients are the others', within this share of the largest element of each."""
    return all(
        bool(np.all(np.abs(gradient - other[name]) <= share * max(_largest(gradient), _largest(other[name]))))
        for name, gradient in one.items()
    )


def _largest(array: FloatArray) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _with_constants(faults: tuple[Fault, ...], constants: tuple[float | None, ...], key: _Key, claims: Claims) -> Iterator[Hypothesis]:
    """The hypotheses of these faults, with what is known of their constants: one free constant at most, fitted on one network."""
    known = tuple(0.0 if fault.constant is None else constant for fault, constant in zip(faults, constants, strict=True))
    free = [index for index, constant in enumerate(known) if constant is None]
    if len(free) > 1:
        return
    at_zero = Hypothesis(faults, tuple(constant or 0.0 for constant in known))
    if not free:
        yield at_zero
        return
    for value in _guesses(at_zero, free[0], key, claims):
        yield _at(at_zero, free[0], value)


def _at(hypothesis: Hypothesis, place: int, value: float) -> Hypothesis:
    """The hypothesis with another constant at one place."""
    return replace(hypothesis, constants=(*hypothesis.constants[:place], value, *hypothesis.constants[place + 1 :]))


def _guesses(hypothesis: Hypothesis, place: int, key: _Key, claims: Claims) -> Iterator[float]:
    constant = hypothesis.faults[place].constant
    assert constant is not None
    if constant.fit == "choices":
        yield from constant.choices
    elif constant.fit == "affine":
        value = _fit_affine(hypothesis, place, key, claims)
        if value is not None:
            yield from _plain(value)
    else:
        yield from _plain(key.bounds[constant.fit])


def _plain(value: float) -> Iterator[float]:
    """The number as somebody would have typed it, where it is near one (with an ε a norm stays below its bound); then as it was fitted."""
    typed = dict.fromkeys(float(f"{value:.{digits - 1}e}") for digits in (1, 2, 3, 4, 6))
    yield from (number for number in typed if number != value and abs(number - value) <= TYPED * abs(value))
    yield value


def _norm(gradients: Mapping[str, FloatArray]) -> float:
    largest = max((_largest(gradient) for gradient in gradients.values()), default=0.0)
    if not 0 < largest < np.inf:
        return largest
    return largest * float(np.sqrt(sum(float(((gradient / largest) ** 2).sum()) for gradient in gradients.values())))


def _bound(fit: str, gradients: Mapping[str, FloatArray]) -> float:
    if fit == "largest":
        return max(_largest(gradient) for gradient in gradients.values())
    if fit == "norm":
        return _norm(gradients)
    return max(_norm({name: gradient}) for name, gradient in gradients.items())


def _fit_affine(hypothesis: Hypothesis, place: int, key: _Key, claims: Claims) -> float | None:
    """The constant by least squares over the tensors that are an affine function of it."""
    at = []
    for value in (0.0, 1.0, 2.0):
        predicted = predict_nominal(key.answered.problem, claims, _at(hypothesis, place, value), key.values)
        if predicted is None:
            return None
        at.append(predicted)
    above, below = 0.0, 0.0
    for name, claimed in key.answered.claimed.gradients.items():
        slope, bend = at[1][name] - at[0][name], at[2][name] - 2 * at[1][name] + at[0][name]
        largest = _largest(slope)
        if not 0 < largest < np.inf or _largest(bend) > AFFINE * largest:
            continue
        share = slope / largest
        above += float((share * ((claimed - at[0][name]) / largest)).sum())
        below += float((share**2).sum())
    return above / below if below > 0 and np.isfinite(above / below) else None


def _judge(hypothesis: Hypothesis, key: _Key, ordered: Sequence[Answered], claims: Claims) -> Match | None:
    """The match, or None where a network refutes the hypothesis: the key network roughly first, then each at the fault's own scatter."""
    nominal = predict_nominal(key.answered.problem, claims, hypothesis, key.values, lambda name, g: _roughly(name, g, key.answered))
    if nominal is None or not all(_roughly(name, gradient, key.answered) for name, gradient in nominal.items()):
        return None
    shown = 0
    for one in (key.answered, *(other for other in ordered if other is not key.answered)):
        predicted = predict(one.problem, claims, hypothesis)
        if predicted is None or not agrees(predicted, one):
            return None
        shown += shows(predicted, one)
    return Match(hypothesis, shown, len(ordered))


@np.errstate(all="ignore")
def _roughly(name: str, predicted: FloatArray, one: Answered) -> bool:
    """Whether a prediction is near enough to be held to its tolerance: a filter, which refutes nothing that the tolerance would keep."""
    coarse = COARSE * max(1.0, machine_epsilon(one.problem.dtype) / machine_epsilon("float64") * 1e-4)
    claimed = one.claimed.gradients[name]
    allowed = coarse * max(_largest(predicted), _largest(claimed)) + 1e6 * one.reference.gradient_tolerance(name) + _own(one, name)
    return bool(np.all(np.abs(claimed - predicted) <= allowed))


@np.errstate(all="ignore")
def agrees(predicted: Prediction, one: Answered) -> bool:
    """Whether the candidate's gradients are those predicted, at the prediction's own tolerance."""
    for name, claimed in one.claimed.gradients.items():
        allowed = predicted.tolerance[name] + _own(one, name)
        if not bool(np.all(np.abs(claimed - predicted.gradients[name]) <= allowed)):
            return False
    return True


@np.errstate(all="ignore")
def shows(predicted: Prediction, one: Answered) -> bool:
    """Whether the prediction is not the truth, by more than both tolerances."""
    right = one.reference.gradients
    return any(
        bool(
            np.any(
                np.abs(predicted.gradients[name] - right[name])
                > predicted.tolerance[name] + one.reference.gradient_tolerance(name) + _own(one, name)
            )
        )
        for name in one.claimed.gradients
    )
