"""Steps along the right gradient by another length than η: the law of the length, from networks of several sizes and several rates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.factors import typed
from verifier.oracles.reference import Reference
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.report import Diagnosis
from verifier.tolerance import SAFETY

Parameters = dict[str, FloatArray]

RATES = (2.0**-9, 2.0**-6, 0.125, 0.5, 2.0)
ALIKE = 1e-6  # how well a length, read from a step, is known
SIZES: tuple[tuple[str, Callable[[int, int], float]], ...] = (
    ("", lambda batch, outputs: 1.0),
    (" × (batch size)", lambda batch, outputs: float(batch)),
    (" / (batch size)", lambda batch, outputs: 1.0 / batch),
    (" × (number of outputs)", lambda batch, outputs: float(outputs)),
    (" / (number of outputs)", lambda batch, outputs: 1.0 / outputs),
    (" / (batch size × number of outputs)", lambda batch, outputs: 1.0 / (batch * outputs)),
)


@dataclass(frozen=True)
class Walked:
    """One network, its reference, and the parameters after a step at each rate (and once more at the last of them)."""

    problem: Problem
    reference: Reference
    rates: Sequence[float]
    after: Sequence[Parameters]
    again: Parameters


@np.errstate(all="ignore")
def tell_lengths(walked: Sequence[Walked]) -> Diagnosis | None:
    """What the step is where every tensor of a kind moves along its gradient, or along gradient and parameter; None where it does not."""
    for kinds in (("weights", "biases"), ("weights",), ("biases",)):
        lengths = [_lengths(one, kinds) for one in walked]
        known = [length for length in lengths if length is not None]
        if len(known) < len(lengths) or not known:
            continue
        others = tuple(kind for kind in ("weights", "biases") if kind not in kinds)
        if others and not all(_right(one, others) for one in walked):
            apart = _of_kinds(walked)
            if apart is not None:
                return apart
            continue
        law = _law(walked, known)
        if law is not None and law != _RIGHT:
            return _diagnosis(law, "" if len(kinds) == 2 else f" The other parameters step rightly; it is the {kinds[0]} that do not.")
    return _decayed(walked)


_RIGHT = "η"


def _diagnosis(law: str, more: str) -> Diagnosis:
    return Diagnosis(
        "update-of-another-length", "update", f"`update` steps along the right gradient by {law}, not by η.{more} W ← W - η ∂L/∂W."
    )


def _of_kinds(walked: Sequence[Walked]) -> Diagnosis | None:
    """Weights and biases each by a law of their own."""
    laws = {}
    for kind in ("weights", "biases"):
        lengths = [_lengths(one, (kind,)) for one in walked]
        law = _law(walked, [length for length in lengths if length is not None]) if None not in lengths else None
        if law is None:
            return None
        laws[kind] = law
    words = f"{laws['weights']} in the weights and by {laws['biases']} in the biases"
    return _diagnosis(words, "") if laws["weights"] != laws["biases"] else None


def _moved(problem: Problem, after: Parameters, name: str) -> FloatArray:
    moved: FloatArray = np.asarray(problem.arrays[name], dtype=np.float64) - after[name]
    return moved


def _allowed(one: Walked, name: str, length: float) -> FloatArray:
    # The length is read from all tensors: it is as uncertain as the largest of them is rounded.
    before = max(float(np.max(np.abs(one.problem.arrays[n]), initial=0.0)) for n in one.reference.gradients)
    rounding = SAFETY * machine_epsilon(one.problem.dtype) * (before + abs(length) * np.abs(one.reference.gradients[name]))
    allowed: FloatArray = abs(length) * one.reference.gradient_tolerance(name) + rounding
    return allowed


def _lengths(one: Walked, kinds: tuple[str, ...]) -> list[float] | None:
    """The length at each rate, and at the last once more; None where some tensor of these kinds does not move along its gradient by it."""
    gradients = {name: g for name, g in one.reference.gradients.items() if name.startswith(kinds)}
    square = sum(float((g**2).sum()) for g in gradients.values())
    if not gradients or square == 0:
        return None
    found = []
    for after in (*one.after, one.again):
        length = sum(float((_moved(one.problem, after, name) * g).sum()) for name, g in gradients.items()) / square
        if not all(
            bool(np.all(np.abs(_moved(one.problem, after, n) - length * g) <= _allowed(one, n, length))) for n, g in gradients.items()
        ):
            return None
        found.append(length)
    return found


def _right(one: Walked, kinds: tuple[str, ...]) -> bool:
    gradients = {name: g for name, g in one.reference.gradients.items() if name.startswith(kinds)}
    return all(
        bool(np.all(np.abs(_moved(one.problem, after, name) - rate * g) <= _allowed(one, name, rate)))
        for rate, after in zip(one.rates, one.after, strict=True)
        for name, g in gradients.items()
    )


def _law(walked: Sequence[Walked], lengths: Sequence[Sequence[float]]) -> str | None:
    """The length in words, as a law of η and of the network's sizes."""
    if any(not _alike(found[-1], found[-2]) for found in lengths):
        shorter = all(abs(found[-1]) < abs(found[-2]) for found in lengths)
        return "a length that changes from call to call" + (", shorter each time (a rate that decays inside)" if shorter else "")
    for words, size in SIZES:
        sizes = [size(architecture_of(one.problem).batch, architecture_of(one.problem).widths[-1]) for one in walked]
        table = np.array([[length / by for length in found[:-1]] for found, by in zip(lengths, sizes, strict=True)])
        rates = np.asarray(walked[0].rates)
        if np.all(np.abs(table - table[:1]) <= ALIKE * np.abs(table[:1])):
            law = _of_rate(table[0], rates)
            return None if law is None else law + words
    return None


def _of_rate(lengths: FloatArray, rates: FloatArray) -> str | None:
    """The length as a function of η alone."""
    ratio = lengths / rates
    if _constant(ratio):
        times = typed(float(f"{ratio[0]:.6g}"))
        return _RIGHT if _alike(float(ratio[0]), 1.0) else "-η" if times == "-1" else f"{times} η"
    if len(rates) < 3:
        return None
    if _constant(lengths):
        return f"{lengths[0]:.6g}, whatever the rate"
    if _constant(lengths * rates):
        return f"{lengths[0] * rates[0]:.6g} / η"
    if _constant(lengths / rates**2):
        return f"{'' if _alike(float(lengths[0] / rates[0] ** 2), 1.0) else format(lengths[0] / rates[0] ** 2, '.6g') + ' '}η²"
    right = np.abs(ratio - 1) <= ALIKE
    if _constant(lengths[~right]) and right.any():
        bound = float(lengths[~right][0])
        if np.all(rates[right] <= bound) and np.all(rates[~right] >= bound):
            return f"min(η, {bound:.6g})"
        if np.all(rates[right] >= bound) and np.all(rates[~right] <= bound):
            return f"max(η, {bound:.6g})"
    return "another length at each rate"


def _constant(values: FloatArray) -> bool:
    return bool(values.size) and bool(np.all(np.abs(values - values[0]) <= ALIKE * np.abs(values[0])))


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= ALIKE * max(abs(one), abs(other))


def _decayed(walked: Sequence[Walked]) -> Diagnosis | None:
    """W ← W - η ∂L/∂W - d W: the d that every network shows at every rate, as a law of η, or None."""
    for kinds, what in ((("weights",), "weights"), (("weights", "biases"), "parameters")):
        found = [_decays(one, kinds) for one in walked]
        decays = np.array([row for row in found if row is not None])
        if len(decays) < len(found) or not decays.size or not np.all(decays):
            continue
        rates = np.asarray(walked[0].rates)
        for times, law in ((rates, "η λ W"), (np.ones_like(rates), "λ W, whatever η is")):
            shares = decays / times
            if np.all(np.abs(shares - shares[0, -1]) <= 1e-5 * abs(shares[0, -1])):
                return _decay_diagnosis(float(shares[0, -1]), law, what)
    return None


def _decay_diagnosis(decay: float, law: str, what: str) -> Diagnosis:
    declared = f'optimizer = {{ name = "sgd", weight_decay = {decay:.5g} }}'
    hint = f"Declare it, `{declared}`, if every parameter decays, or l2 in the loss, or leave it out." if law.startswith("η") else ""
    text = f"`update` also takes {law}, λ = {decay:.5g}, off the {what}: weight decay, which the loss does not have. {hint}"
    return Diagnosis("update-with-weight-decay", "update", text.rstrip())


def _decays(one: Walked, kinds: tuple[str, ...]) -> list[float] | None:
    """What part of themselves the parameters of these kinds lose in a step at each rate; None where a step is something else."""
    found = [_decay(one, kinds, rate, after) for rate, after in zip(one.rates, one.after, strict=True)]
    known = [decay for decay in found if decay is not None]
    return known if len(known) == len(found) else None


def _decay(one: Walked, kinds: tuple[str, ...], rate: float, after: Parameters) -> float | None:
    gradients = one.reference.gradients
    rest = {name: _moved(one.problem, after, name) - rate * g for name, g in gradients.items() if name.startswith(kinds)}
    start = {name: np.asarray(one.problem.arrays[name], dtype=np.float64) for name in rest}
    square = sum(float((w**2).sum()) for w in start.values())
    if square == 0:
        return None
    decay = sum(float((rest[name] * start[name]).sum()) for name in rest) / square
    for name, g in gradients.items():
        right = rate * g + (decay * start[name] if name in start else 0.0)
        if not bool(np.all(np.abs(_moved(one.problem, after, name) - right) <= _allowed(one, name, rate) * (1 + abs(decay) / rate))):
            return None
    return decay
