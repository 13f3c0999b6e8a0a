"""A factor on the whole gradient: the commonest mistake in published code (N, 2, the number of outputs, the sign), known by its law.

On every network the claimed gradient, or its data part, must be the law's factor times the right one, at that network's own tolerance.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of, data_part
from verifier.diagnosis.mlp.hints import hint_for
from verifier.oracles.reference import Answered
from verifier.problems.program import Problem
from verifier.results.report import Diagnosis


@dataclass(frozen=True)
class Law:
    """A factor that may depend on the network's batch and number of outputs."""

    fault: str
    words: str
    factor: Callable[[int, int], float]
    hint: str


_LAWS = (
    Law("factor-zero", "exactly zero, not", lambda batch, outputs: 0.0, "Is the backward pass run at all, and on a stored forward pass?"),
    Law(
        "factor-half",
        "exactly half",
        lambda batch, outputs: 0.5,
        "The derivative of (y - ŷ)² is 2(ŷ - y); that of ½(y - ŷ)² has no 2. Did you mean half_squared_error?",
    ),
    Law("factor-two", "exactly twice", lambda batch, outputs: 2.0, "The derivative of ½(y - ŷ)² is ŷ - y, without a 2."),
    Law("sign", "exactly minus one times", lambda batch, outputs: -1.0, "The derivative of the loss by ŷ has the sign of ŷ - y."),
    Law(
        "missing-mean",
        "(batch size) times",
        lambda batch, outputs: batch,
        "The loss is a mean over the batch: divide the gradient by its size too.",
    ),
    Law(
        "mean-twice",
        "1/(batch size) times",
        lambda batch, outputs: 1 / batch,
        "Divide by the batch size once, not twice, and only where the loss is a mean.",
    ),
    Law(
        "factor-outputs",
        "(number of outputs) times",
        lambda batch, outputs: outputs,
        "The loss is averaged over the outputs: divide the gradient by their number too.",
    ),
    Law(
        "mean-over-outputs",
        "1/(number of outputs) times",
        lambda batch, outputs: 1 / outputs,
        "Do not divide by their number once more than the loss does.",
    ),
    Law(
        "factor-batch-and-outputs",
        "(batch size × number of outputs) times",
        lambda batch, outputs: batch * outputs,
        "Divide by both as often as the loss does.",
    ),
    Law(
        "mean-over-batch-and-outputs",
        "1/(batch size × number of outputs) times",
        lambda batch, outputs: 1 / (batch * outputs),
        "Do not divide by them once more than the loss does.",
    ),
    Law(
        "factor-two-and-batch",
        "2 × (batch size) times",
        lambda batch, outputs: 2 * batch,
        "Divide by the batch size, and look at the factor 2 of the squared error.",
    ),
    Law(
        "factor-half-over-outputs",
        "1/(2 × number of outputs) times",
        lambda batch, outputs: 0.5 / outputs,
        "Look at the factor ½ and at the mean over the outputs.",
    ),
    Law(
        "factor-two-over-batch",
        "2/(batch size) times",
        lambda batch, outputs: 2 / batch,
        "Look at the factor 2 of the squared error and at the mean over the batch.",
    ),
    Law(
        "factor-half-and-batch",
        "½ × (batch size) times",
        lambda batch, outputs: batch / 2,
        "Divide by the batch size, and look at the factor ½.",
    ),
    Law(
        "factor-two-over-outputs",
        "2/(number of outputs) times",
        lambda batch, outputs: 2 / outputs,
        "Look at the factor 2 of the squared error and at the mean over the outputs.",
    ),
)


_SIZES: tuple[tuple[str, Callable[[int, int], float]], ...] = (
    ("(batch size)", lambda batch, outputs: batch),
    ("1/(batch size)", lambda batch, outputs: 1 / batch),
    ("(number of outputs)", lambda batch, outputs: outputs),
    ("1/(number of outputs)", lambda batch, outputs: 1 / outputs),
    ("(batch size × number of outputs)", lambda batch, outputs: batch * outputs),
    ("1/(batch size × number of outputs)", lambda batch, outputs: 1 / (batch * outputs)),
    ("(batch size / number of outputs)", lambda batch, outputs: batch / outputs),
    ("(number of outputs / batch size)", lambda batch, outputs: outputs / batch),
)


_NAMED = {(-1.0, "(batch size)"): "sign-without-mean", (-1.0, "1/(batch size)"): "sign-and-mean-twice"}  # as the catalogue does


def _scaled_size(number: float, words: str, size: Callable[[int, int], float]) -> Law:
    front = {-1.0: "minus "}.get(number, f"{number:g} × " if number != 1 else "")
    hint = "Look at the reduction over batch and outputs" + (", and at the sign." if number < 0 else ".")
    return Law(
        _NAMED.get((number, words), "factor-of-sizes"), f"{front}{words} times", lambda batch, outputs: number * size(batch, outputs), hint
    )


# What the laws above do not name: a number that people mistake, times a size.
_SIZE_LAWS = tuple(_scaled_size(number, *size) for size in _SIZES for number in (1.0, -1.0, 2.0, 0.5, -2.0, -0.5))


@np.errstate(all="ignore")
def explain_by_a_factor(answered: Sequence[Answered], claims: Claims, *, own_loss: bool) -> Diagnosis | None:
    """The law that every network obeys, or a constant factor without a name, or None.

    Args:
        claims: whose loss the hint speaks of.
        own_loss: whether the candidate's loss was seen to be the claimed one: then the factor stands between its loss and its gradient.
    """
    returned = all(one.claimed.loss is not None for one in answered)
    of = "that of its own loss" if own_loss and returned else "that of the claimed loss"
    regularised = any(node.operation == "l2" for one in answered for node in one.problem.program.nodes)
    for part, what in ((_whole, "every gradient"), (_data, "the data part of the gradient")):
        if part is _data and not regularised:
            continue
        law = next((law for law in _LAWS if _obeyed(answered, law.factor, part)), None)
        constant = None if law is not None else _constant(answered, part)
        if law is None and constant is None:
            law = next((law for law in _SIZE_LAWS if _obeyed(answered, law.factor, part)), None)
        if law is not None:
            hint = hint_for(law.fault, law.hint, claims)
            return Diagnosis(law.fault, "output-delta", f"{what.capitalize()} is {law.words} {of}. {hint}")
        if constant is not None:
            return Diagnosis("constant-factor", "output-delta", f"{what.capitalize()} is {typed(constant)} times {of}. {_hint(constant)}")
    return None


LOGARITHMS = (2, 10)  # bases


def typed(factor: float) -> str:
    """A factor in digits enough to tell it from 1."""
    return next((text for text in (f"{factor:.{digits}g}" for digits in (6, 12, 15)) if float(text) != 1), f"{factor:.17g}")


def _hint(factor: float) -> str:
    for base in LOGARITHMS:
        for said, of_base, where in (
            (f"ln {base}", math.log(base), "the loss take it, and the gradient not"),
            (f"1 / ln {base}", 1 / math.log(base), "the gradient take it, and the loss not"),
        ):
            if math.isclose(factor, of_base, rel_tol=1e-9):  # a hint alone rests on it
                return f"That is {said}. The derivative of a logarithm to base {base} is 1 / (p ln {base}): does {where}?"
    if abs(factor - 1) <= 1e-3:
        return "Is it a constant typed with few digits, or an ε in a denominator?"
    if -1 < factor < 0:
        return f"Is it the step -η ∂L/∂W, with η = {typed(-factor)}, in place of the gradient? Return ∂L/∂W alone."
    if 0 < factor < 1:
        return "Is a learning rate multiplied in? Return ∂L/∂W alone: the rate belongs to the update."
    return "Look for the factor where the output's δ is made."


def _whole(gradients: Mapping[str, FloatArray], problem: Problem) -> Mapping[str, FloatArray]:
    return gradients


def _data(gradients: Mapping[str, FloatArray], problem: Problem) -> Mapping[str, FloatArray]:
    return data_part(gradients, problem)


Part = Callable[[Mapping[str, FloatArray], Problem], Mapping[str, FloatArray]]


def _obeyed(answered: Sequence[Answered], factor: Callable[[int, int], float], part: Part) -> bool:
    """Whether claimed = factor · right on every network, and the factor shows on at least one."""
    shows = False
    for one in answered:
        architecture = architecture_of(one.problem)
        value = factor(architecture.batch, architecture.widths[-1])
        right, claimed = part(one.reference.gradients, one.problem), part(one.claimed.gradients, one.problem)
        shows = shows or value != 1
        for name, gradient in claimed.items():
            allowed = (1 + abs(value)) * (one.reference.gradient_tolerance(name) + one.claimed.rounding.get(name, 0.0))
            if not bool(np.all(np.abs(gradient - value * right[name]) <= allowed)):
                return False
    return shows


def _constant(answered: Sequence[Answered], part: Part) -> float | None:
    """The one factor of every network, taken from the network that shows it best, or None."""
    best: tuple[float, float] | None = None
    for one in answered:
        right, claimed = part(one.reference.gradients, one.problem), part(one.claimed.gradients, one.problem)
        for name, gradient in right.items():
            if gradient.size == 0:
                continue
            place = int(np.argmax(np.abs(gradient)))
            certainty = float(np.abs(gradient).flat[place] / max(one.reference.gradient_tolerance(name).flat[place], 1e-300))
            if np.isfinite(claimed[name].flat[place]) and gradient.flat[place] != 0 and (best is None or certainty > best[0]):
                best = certainty, float(claimed[name].flat[place] / gradient.flat[place])
    if best is None or not _obeyed(answered, lambda batch, outputs: best[1], part):
        return None
    return best[1]
