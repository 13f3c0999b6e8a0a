"""Losses that no manifest can claim, recognised by their values: Huber's, the absolute error, log cosh and others that published code has.

Each is a sum over a sample's outputs of a function of ŷ and y, then reduced as a manifest says it. A returned loss that is one of these on
every network, to nine digits, is named; the gradients are then held to its derivative, at that derivative's own scatter.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.catalogue.output import HUBER_BOUNDS
from verifier.diagnosis.mlp.catalogue.pieces import on_loss
from verifier.diagnosis.mlp.matching import agrees
from verifier.diagnosis.mlp.variation import Context, Fault, predict, single
from verifier.oracles.reference import Answered
from verifier.results.report import Diagnosis
from verifier.textbook import Applied, Back

ENOUGH = 10  # networks that decide
ALIKE = 1e-9  # relative; a sum of logarithms near 1 is right to its last bits only (LAST_BITS a summand)
LAST_BITS = 1e-15
NUMBERS = (1.0, 0.5, 2.0)

_Elementwise = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class _Form:
    """A loss: of each output, its derivative by ŷ, and how the sum over batch and outputs is reduced."""

    words: str
    value: _Elementwise
    slope: _Elementwise
    reduced: str = "the sum over the outputs"
    divisor: Callable[[Context], float] = lambda context: 1.0
    root: bool = False


def _huber(bound: float) -> tuple[str, _Elementwise, _Elementwise]:
    def value(p: FloatArray, y: FloatArray) -> FloatArray:
        size = np.abs(p - y)
        return np.where(size <= bound, 0.5 * size**2, bound * (size - 0.5 * bound))

    words = f"Huber's: ½(ŷ - y)² where |ŷ - y| is at most {bound:g}, and linear beyond"
    return words, value, lambda p, y: np.clip(p - y, -bound, bound)


def _log_cosh(p: FloatArray, y: FloatArray) -> FloatArray:
    size = np.abs(p - y)
    return np.asarray(size + np.log1p(np.exp(-2 * size)) - np.log(2.0))


def _divergence(p: FloatArray, y: FloatArray) -> FloatArray:
    return np.where(y == 0, 0.0, y * np.log(y / p))


_ELEMENTWISE: tuple[tuple[str, _Elementwise, _Elementwise], ...] = (
    ("the absolute error |ŷ - y|", lambda p, y: np.abs(p - y), lambda p, y: np.sign(p - y)),
    *map(_huber, HUBER_BOUNDS),
    ("log cosh(ŷ - y)", _log_cosh, lambda p, y: np.tanh(p - y)),
    ("the divergence y log(y/ŷ)", _divergence, lambda p, y: np.where(y == 0, 0.0, -y / p)),
    ("-y log ŷ alone", lambda p, y: np.where(y == 0, 0.0, -y * np.log(p)), lambda p, y: np.where(y == 0, 0.0, -y / p)),
)
_REDUCTIONS: tuple[tuple[str, Callable[[Context], float]], ...] = (
    ("averaged over the batch", lambda context: float(context.batch)),
    ("averaged over batch and outputs", lambda context: float(context.batch * context.outputs)),
    ("summed over the batch", lambda context: 1.0),
)


def _forms() -> Iterator[_Form]:
    for words, value, slope in _ELEMENTWISE:
        for reduced, divisor in _REDUCTIONS:
            yield _Form(words, value, slope, reduced, divisor)
    for reduced, divisor in _REDUCTIONS:
        yield _Form("the root of (ŷ - y)²", lambda p, y: (p - y) ** 2, lambda p, y: p - y, reduced, divisor, root=True)


@np.errstate(all="ignore")
def find_other_loss(answered: Sequence[Answered], claims: Claims, *, right_gradients: bool = False) -> Diagnosis | None:
    """What the returned loss is, where it is finite, and whether the gradients are its derivative; None where it is none of these.

    `right_gradients`: whether they were seen to be those of the claimed loss.
    """
    usable = [one for one in answered if one.claimed.loss is not None and np.isfinite(one.claimed.loss)]
    if claims.l2 or len(usable) < ENOUGH or 2 * len(usable) < len(answered):
        return None
    outputs = [_outputs_of(one) for one in usable]
    for form in _forms():
        for number in NUMBERS:
            if all(_is_loss_of(one, p, form, number, claims) for one, p in zip(usable, outputs, strict=True)):
                gradients = _RIGHT if right_gradients else _FOLLOW if _follow(form, number, usable, claims) else _DO_NOT
                times = "" if number == 1 else f"{number:g} times "
                text = f"The loss that comes back is not the claimed one; on every network it is {times}{form.words}, {form.reduced}."
                return Diagnosis("another-loss", "loss", f"{text} {gradients}", f"So on all of {len(usable)} networks.")
    return None


def _outputs_of(one: Answered) -> FloatArray:
    values = textbook.forward(one.problem.program, textbook.double(one.problem.arrays))
    return values[f"activations[{architecture_of(one.problem).layers - 1}]"]


def _is_loss_of(one: Answered, outputs: FloatArray, form: _Form, number: float, claims: Claims) -> bool:
    context = Context(architecture_of(one.problem), claims, 0.0)
    value = form.value(outputs, np.asarray(one.problem.arrays["y"], np.float64)).sum() / form.divisor(context)
    loss = number * float(np.sqrt(value) if form.root else value)
    last_bits = 0.0 if form.root else number * LAST_BITS * outputs.size / form.divisor(context)
    return one.claimed.loss is not None and abs(loss - one.claimed.loss) <= ALIKE * abs(loss) + last_bits


_RIGHT = "The gradients are those of the claimed one: it is the loss that is wrong."
_FOLLOW = "The gradients are its derivative: the backward pass fits its own loss. Change loss and gradient together."
_DO_NOT = "The gradients are not its derivative either."


def _follow(form: _Form, number: float, usable: Sequence[Answered], claims: Claims) -> bool:
    """Whether the gradients are the derivative of this loss, on every network."""
    fault = Fault("another-loss", "loss", form.words, "", back=_derivative(form, number), unfused=True)
    predictions = ((predict(one.problem, claims, single(fault)), one) for one in usable)
    return all(predicted is not None and agrees(predicted, one) for predicted, one in predictions)


def _derivative(form: _Form, number: float) -> Callable[[Applied, Back, Context], Back]:
    def piece(applied: Applied, found: Back, context: Context) -> FloatArray:
        p, y = applied.inputs
        divisor = form.divisor(context)
        slope = number * form.slope(p, y) / divisor
        if form.root:
            slope = slope / np.sqrt(((p - y) ** 2).sum(axis=(-2, -1), keepdims=True) / divisor)
        return np.asarray(slope)

    return on_loss(piece)
