"""Faults of the output's δ that are factors between the loss and its gradient."""

from collections.abc import Callable

from verifier.diagnosis.mlp.catalogue.pieces import scaled_loss
from verifier.diagnosis.mlp.variation import Constant, Context, Fault

_ID = "output-delta"


def _factor(name: str, words: str, hint: str, factor: Callable[[Context], float]) -> Fault:
    return Fault(name, _ID, words, hint, back=scaled_loss(factor), kind="factor")


FACTOR_FAULTS: tuple[Fault, ...] = (
    _factor(
        "factor-half",
        "The data part of the gradient is exactly half.",
        "The derivative of (y - ŷ)² is 2 (ŷ - y).",
        lambda context: 0.5,
    ),
    _factor(
        "factor-two",
        "The data part of the gradient is exactly twice what it should be.",
        "The derivative of ½(y - ŷ)² is ŷ - y, without a 2.",
        lambda context: 2.0,
    ),
    _factor("sign", "The sign of the gradient is wrong.", "∂L/∂ŷ has the sign of ŷ - y.", lambda context: -1.0),
    _factor(
        "missing-mean",
        "The mean over the batch is missing: the gradient is (batch size) times too large.",
        "Divide by the batch size.",
        lambda context: float(context.batch),
    ),
    _factor(
        "mean-twice",
        "The gradient is divided by the batch size once too often.",
        "Divide once, and only if the loss is a mean.",
        lambda context: 1 / context.batch,
    ),
    _factor(
        "factor-outputs",
        "The gradient is (number of outputs) times too large.",
        "The loss is averaged over the outputs: divide the gradient by their number too.",
        lambda context: float(context.outputs),
    ),
    _factor(
        "mean-over-outputs",
        "The gradient is averaged over the outputs, and the loss is not.",
        "Do not divide by the number of outputs.",
        lambda context: 1 / context.outputs,
    ),
    _factor(
        "factor-batch-and-outputs",
        "The gradient is (batch size × number of outputs) times too large.",
        "The loss is averaged over batch and outputs: so must the gradient be.",
        lambda context: float(context.batch * context.outputs),
    ),
    _factor(
        "mean-over-batch-and-outputs",
        "The gradient is divided by the batch size and by the number of outputs once too often.",
        "Do not divide again.",
        lambda context: 1 / (context.batch * context.outputs),
    ),
    _factor(
        "sign-without-mean",
        "The gradient has the wrong sign, and is (batch size) times too large.",
        "∂L/∂ŷ has the sign of ŷ - y; divide it by the batch size.",
        lambda context: -float(context.batch),
    ),
    _factor(
        "sign-and-mean-twice",
        "The gradient has the wrong sign, and is divided by the batch size once too often.",
        "∂L/∂ŷ has the sign of ŷ - y; divide once.",
        lambda context: -1 / context.batch,
    ),
    _factor(
        "factor-zero",
        "The data part of the gradient is exactly zero: no error reaches the backward pass.",
        "Is the backward pass run at all, and on a stored forward pass?",
        lambda context: 0.0,
    ),
    Fault(
        "constant-factor",
        _ID,
        "The data part of the gradient is {c} times what it should be.",
        "Look for a factor between the loss and ∂L/∂ŷ.",
        back=scaled_loss(lambda context: context.constant),
        constant=Constant("factor"),
        kind="factor",
    ),
)
