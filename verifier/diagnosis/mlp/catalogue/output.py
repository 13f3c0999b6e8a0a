"""Faults of the output's δ: the wrong loss's derivative, a softmax cut to its diagonal."""

from collections.abc import Callable

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import SOFTMAX_LOSSES
from verifier.diagnosis.mlp.catalogue.pieces import layer_of, on_loss
from verifier.diagnosis.mlp.variation import BackPiece, Constant, Context, Fault
from verifier.problems.operations import OPERATIONS
from verifier.textbook import Applied, Back

_ID = "output-delta"
HUBER_BOUNDS = (1.0, 0.5, 1.345, 1.35, 0.1, 2.0, 0.2, 5.0, 10.0)  # as they are typed
_EPSILONS = (*(10.0**-power for power in range(4, 16)), float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps))


def _targets_replaced(replacement: Callable[[FloatArray], FloatArray | None]) -> BackPiece:
    """∂loss/∂ŷ with other targets."""

    def piece(applied: Applied, found: Back, context: Context) -> FloatArray | None:
        targets = replacement(applied.inputs[1])
        if targets is None:
            return None
        operation = OPERATIONS[applied.node.operation]
        inputs = (applied.inputs[0], targets)
        return operation.vjp(inputs, applied.output, applied.cotangent, applied.node.attributes, applied.store)[0]

    return on_loss(piece)


def _one_hot(targets: FloatArray) -> FloatArray | None:
    if targets.shape[-1] == 1:
        return np.round(targets)
    hot: FloatArray = (targets == targets.max(axis=-1, keepdims=True)).astype(np.float64)
    return hot


def _with_attribute(name: str) -> BackPiece:
    """∂loss/∂ŷ with a convention that the loss does not have."""

    def piece(applied: Applied, found: Back, context: Context) -> FloatArray | None:
        operation = OPERATIONS[applied.node.operation]
        if operation.name not in ("cross_entropy", "binary_cross_entropy"):
            return None
        attributes = {**applied.node.attributes, name: context.constant}
        return operation.vjp(applied.inputs, applied.output, applied.cotangent, attributes, applied.store)[0]

    return on_loss(piece)


def _clipped_below(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    """The lower end of the clip alone: max(a, ε)."""
    operation = OPERATIONS[applied.node.operation]
    if operation.name not in ("cross_entropy", "binary_cross_entropy"):
        return None
    attributes = {**applied.node.attributes, "clip_output": context.constant, "clip_output_high": 1.0}
    return operation.vjp(applied.inputs, applied.output, applied.cotangent, attributes, applied.store)[0]


def _exchanged(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    """∂/∂a of a cross-entropy in which outputs and targets have changed places, -a log y and -(1 - a) log(1 - y); c: an ε beside y."""
    y, epsilon = applied.inputs[1], context.constant
    if not epsilon and not bool(np.all((y > 0) & ((y < 1) | (applied.node.operation == "cross_entropy")))):
        return None
    slope = -np.log(y + epsilon)
    if applied.node.operation == "binary_cross_entropy":
        slope = slope + np.log(1 - y + epsilon)
    return np.asarray(applied.cotangent[..., None] * slope) if "cross_entropy" in applied.node.operation else None


def _first_term(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    if applied.node.operation != "binary_cross_entropy":
        return None
    p, y = applied.inputs
    return np.asarray(np.where(y == 0, 0.0, applied.cotangent[..., None] * -y / p))


def _second_term_sign(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    if applied.node.operation != "binary_cross_entropy":
        return None
    p, y = applied.inputs
    return np.asarray(applied.cotangent[..., None] * (np.where(y == 0, 0.0, -y / p) - np.where(y == 1, 0.0, (1 - y) / (1 - p))))


def _squared_error_slope(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    if "cross_entropy" not in applied.node.operation:
        return None
    slope: FloatArray = applied.cotangent[..., None] * 2 * (applied.inputs[0] - applied.inputs[1])
    return slope


def _absolute_error_slope(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    if "squared" not in applied.node.operation:
        return None
    return applied.cotangent[..., None] * np.sign(applied.inputs[0] - applied.inputs[1])


def _of_pre_activation(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    if "squared" not in applied.node.operation:
        return None
    z = applied.values[f"pre_activations[{context.last}]"]
    factor = 1.0 if applied.node.operation == "half_squared_error" else 2.0
    return applied.cotangent[..., None] * factor * (z - applied.inputs[1])


def _target_left_out(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    if "squared" not in applied.node.operation:
        return None
    factor = 1.0 if applied.node.operation == "half_squared_error" else 2.0
    return applied.cotangent[..., None] * factor * applied.inputs[0]


def _error_averaged(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    """The error of every output is the mean over the outputs."""
    return None if found[0] is None else np.broadcast_to(found[0].mean(axis=-1, keepdims=True), found[0].shape)


def _loss_itself(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    if found[0] is None:
        return None
    return np.broadcast_to((applied.cotangent * applied.output)[..., None], found[0].shape)


def _loss_of_each_output(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    """What each output adds to the loss, in the place of its derivative."""
    p, y = applied.inputs
    own: FloatArray
    if applied.node.operation == "binary_cross_entropy":
        own = -(np.where(y == 0, 0.0, y * np.log(p)) + np.where(y == 1, 0.0, (1 - y) * np.log(1 - p)))
    elif applied.node.operation == "cross_entropy":
        own = -np.where(y == 0, 0.0, y * np.log(p))
    elif "squared" in applied.node.operation:
        own = (p - y) ** 2 * (0.5 if applied.node.operation == "half_squared_error" else 1.0)
    else:
        return None
    return applied.cotangent[..., None] * own


def _error_clipped(applied: Applied, found: Back, context: Context) -> FloatArray | None:
    """Huber's slope: ŷ - y held to ± c."""
    if "squared" not in applied.node.operation:
        return None
    factor = 1.0 if applied.node.operation == "half_squared_error" else 2.0
    return applied.cotangent[..., None] * factor * np.clip(applied.inputs[0] - applied.inputs[1], -context.constant, context.constant)


def _on_output_activation(piece: Callable[[Applied, Context], FloatArray | None]) -> BackPiece:
    def back(applied: Applied, found: Back, context: Context) -> Back:
        name = applied.node.output
        if not name.startswith("activations") or layer_of(name) != context.last:
            return found
        replaced = piece(applied, context)
        return found if replaced is None else (applied.store(replaced),)

    return back


def _cross_entropy_delta(applied: Applied, context: Context) -> FloatArray | None:
    """a - y under another loss, of the activations for which it is the cross-entropy's."""
    if applied.node.operation not in ("sigmoid", "softmax"):
        return None
    return applied.cotangents["losses"][..., None] * (applied.output - applied.values["y"])


def _fused_delta_times_slope(applied: Applied, context: Context) -> FloatArray | None:
    """(a - y) ⊙ a (1 - a) of a softmax under its cross-entropy."""
    if applied.node.operation != "softmax" or context.architecture.loss not in SOFTMAX_LOSSES:
        return None
    delta = _cross_entropy_delta(applied, context)
    return None if delta is None else delta * applied.output * (1 - applied.output)


def _diagonal(applied: Applied, context: Context) -> FloatArray | None:
    if applied.node.operation != "softmax":
        return None
    return applied.cotangent * applied.output * (1 - applied.output)


def _softmax_without_mean(applied: Applied, context: Context) -> FloatArray | None:
    if applied.node.operation != "softmax":
        return None
    return applied.cotangent * applied.output


def _target_set_to_minus_one(applied: Applied, context: Context) -> FloatArray | None:
    """p[target] = -1 in the place of p[target] -= 1, at the largest target."""
    y = applied.values["y"]
    if applied.node.operation != "softmax":
        return None
    return np.asarray(applied.cotangents["losses"][..., None] * np.where(y == y.max(axis=-1, keepdims=True), -1.0, applied.output))


OUTPUT_FAULTS: tuple[Fault, ...] = (
    Fault(
        "softmax-diagonal-jacobian",
        _ID,
        "The softmax's Jacobian is cut to its diagonal, p (1 - p), as if each output depended on its own z only.",
        "∂p_i/∂z_j is p_i ([i = j] - p_j): δ = p ⊙ (g - Σ g p).",
        back=_on_output_activation(_diagonal),
        unfused=True,
    ),
    Fault(
        "slope-in-fused-delta",
        _ID,
        "δ of the output is (a - y) ⊙ a (1 - a): a sigmoid's derivative is multiplied into a - y, which is the softmax's δ already.",
        "With a softmax and its cross-entropy δ is a - y: take a (1 - a) out.",
        back=_on_output_activation(_fused_delta_times_slope),
        unfused=True,
    ),
    Fault(
        "softmax-without-mean",
        _ID,
        "The softmax's derivative is taken to be p ⊙ g: the term Σ g p is left out.",
        "δ = p ⊙ (g - Σ g p).",
        back=_on_output_activation(_softmax_without_mean),
        unfused=True,
    ),
    Fault(
        "cross-entropy-delta-with-squared-error",
        _ID,
        "δ of the output is a - y, which belongs to the cross-entropy; the loss is another one.",
        "For a squared error δ is (a - y) ⊙ σ'(z), times 2 if the loss has no ½.",
        back=_on_output_activation(_cross_entropy_delta),
        unfused=True,
    ),
    Fault(
        "squared-error-delta-with-cross-entropy",
        _ID,
        "δ of the output is that of a squared error, 2 (a - y) ⊙ σ'(z); the loss is a cross-entropy.",
        "With a cross-entropy δ of the output is a - y.",
        back=on_loss(_squared_error_slope),
        unfused=True,
    ),
    Fault(
        "cross-entropy-first-term-only",
        _ID,
        "The derivative of the binary cross-entropy keeps -y/a and drops (1 - y)/(1 - a).",
        "Both terms count: δ is a - y.",
        back=on_loss(_first_term),
        unfused=True,
    ),
    Fault(
        "cross-entropy-second-term-sign",
        _ID,
        "The second term of the binary cross-entropy's derivative, (1 - y)/(1 - a), has the wrong sign.",
        "∂L/∂a = -y/a + (1 - y)/(1 - a).",
        back=on_loss(_second_term_sign),
        unfused=True,
    ),
    Fault(
        "one-hot-targets",
        _ID,
        "The targets are rounded to one-hot ones in the gradient: 1 is subtracted at the largest, whatever the target says.",
        "Subtract the target itself: a - y.",
        back=_targets_replaced(_one_hot),
    ),
    Fault(
        "target-set-to-minus-one",
        _ID,
        "δ of the output is set to -1 at the target; 1 must be subtracted from the probability there.",
        "probs[range(n), y] -= 1, not = -1: δ = p - y.",
        back=_on_output_activation(_target_set_to_minus_one),
        unfused=True,
    ),
    Fault(
        "absolute-error-slope",
        _ID,
        "The derivative of the loss is the sign of ŷ - y, that of the absolute error.",
        "The derivative of (y - ŷ)² is 2 (ŷ - y).",
        back=on_loss(_absolute_error_slope),
    ),
    Fault(
        "pre-activation-in-loss",
        _ID,
        "The derivative of the loss is taken at z of the output: z - y instead of a - y.",
        "Compare the target with the activation.",
        back=on_loss(_of_pre_activation),
    ),
    Fault(
        "target-left-out",
        _ID,
        "The derivative of the loss is taken to be ŷ: the target is not subtracted.",
        "It is ŷ - y.",
        on_loss(_target_left_out),
    ),
    Fault(
        "error-averaged-over-outputs",
        _ID,
        "Every output carries the mean of the errors of all outputs.",
        "Each output carries its own error: no mean over the outputs in δ.",
        back=on_loss(_error_averaged),
    ),
    Fault(
        "loss-carried-back",
        _ID,
        "The loss itself is carried back instead of its derivative.",
        "δ of the output begins with ∂L/∂ŷ.",
        back=on_loss(_loss_itself),
    ),
    Fault(
        "loss-of-each-output-carried-back",
        _ID,
        "What each output adds to the loss is carried back in the place of its derivative.",
        "δ of the output begins with ∂L/∂ŷ.",
        back=on_loss(_loss_of_each_output),
        unfused=True,
    ),
    Fault(
        "error-clipped",
        _ID,
        "The error ŷ - y is clipped to [-{c}, {c}] where the loss is differentiated, as Huber's loss has it; the loss squares it whole.",
        "Do not clip the error, or take Huber's loss in both.",
        back=on_loss(_error_clipped),
        constant=Constant("bound", "choices", HUBER_BOUNDS),
    ),
    Fault(
        "epsilon-in-gradient-alone",
        _ID,
        "The derivative of the logarithm is taken with ε = {c}, -y/(a + ε), and the loss has none.",
        "Use ε in both, or in neither (a - y needs none).",
        back=_with_attribute("log_epsilon"),
        constant=Constant("ε", "choices", _EPSILONS),
        unfused=True,
    ),
    Fault(
        "clip-below-in-gradient-alone",
        _ID,
        "The probabilities are held above {c} in the gradient, max(a, {c}), and not in the loss.",
        "Clip in both, or in neither (a - y needs none).",
        back=on_loss(_clipped_below),
        constant=Constant("bound", "choices", (*_EPSILONS, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.25, 0.3)),
        unfused=True,
    ),
    Fault(
        "outputs-and-targets-exchanged",
        _ID,
        "Outputs and targets are exchanged in the cross-entropy that is differentiated: -a log y instead of -y log a.",
        "The logarithm is of the output: L = -Σ y log a.",
        back=on_loss(_exchanged),
        constant=Constant("form", "choices", (0.0, *_EPSILONS)),
        unfused=True,
    ),
    Fault(
        "clip-in-gradient-alone",
        _ID,
        "The probabilities are clipped to [{c}, 1 - {c}] in the gradient, and not in the loss.",
        "Clip in both, or in neither (a - y needs none).",
        back=_with_attribute("clip_output"),
        constant=Constant("bound", "choices", (*_EPSILONS, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.25, 0.3)),
        unfused=True,
    ),
)
