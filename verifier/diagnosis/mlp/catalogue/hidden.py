"""Faults of how δ is carried down to the layer below."""

from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.mlp.catalogue.pieces import (
    CARRIED,
    WEIGHTS,
    Part,
    layer_of,
    negated,
    on_affine,
    over_batch,
    product,
    times_batch,
    transposed,
    zero,
)
from verifier.diagnosis.mlp.variation import BackPiece, Constant, Context, Fault, Inapplicable
from verifier.textbook import Applied, Back

_ID = "hidden-delta"


def _reshaped(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """`reshape` in the place of a transpose: of Wᵀ to W's shape, or of W to Wᵀ's, as the layout has it."""
    weights = applied.inputs[1]
    leading, (rows, columns) = weights.shape[:-2], weights.shape[-2:]
    if context.constant:
        return product(applied.cotangent, transposed(weights.reshape(*leading, columns, rows)))
    return product(applied.cotangent, np.ascontiguousarray(transposed(weights)).reshape(weights.shape))


def _same_layer(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    layer = layer_of(applied.node.output)
    return product(applied.cotangent, applied.values[f"weights[{layer - 1}]"])


def _layer_above(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    layer = layer_of(applied.node.output)
    return product(applied.cotangent, applied.values[f"weights[{layer + 1}]"]) if layer < context.last else right


def _activation_for_delta(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """The layer's activation is carried down in the place of its δ."""
    return product(applied.values[f"activations[{layer_of(applied.node.output)}]"], applied.inputs[1])


def _output_error_to_all(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """∂L/∂ŷ is carried down, without the σ' of the layer above."""
    above = applied.cotangents.get(f"activations[{layer_of(applied.node.output)}]")
    if above is None:
        return right
    return product(above, applied.inputs[1])


def _with_updated(mix: bool) -> BackPiece:
    """δ goes through the weights as they are after their step of rate c; `mix`: through the product of old and new ones."""

    def back(applied: Applied, found: Back, context: Context) -> Back:
        if applied.node.operation != "affine" or layer_of(applied.node.output) == 0:
            return found
        weights, gradient = applied.inputs[1], found[WEIGHTS]
        if gradient is None:
            raise Inapplicable
        stepped = weights - context.constant * (gradient + _penalty(applied, context, weights))
        carried = applied.store(applied.cotangent @ applied.store(stepped * weights if mix else stepped))
        return (carried, *found[1:])

    return back


def _penalty(applied: Applied, context: Context, weights: FloatArray) -> FloatArray | float:
    """The regularisation's part of the step: its vjp has been taken before any layer's."""
    if not context.claims.l2:
        return 0.0
    # The program differentiates the penalty first, so it is already part of the weights' cotangent.
    return applied.cotangents.get(applied.node.inputs[1], 0.0)


def _carried(id: str, explanation: str, hint: str, piece: Part, **more: Any) -> Fault:
    """A fault in what an affine layer carries down."""
    return Fault(id, _ID, explanation, hint, on_affine(CARRIED, piece), **more)


HIDDEN_FAULTS: tuple[Fault, ...] = (
    _carried(
        "untransposed-weights",
        "δ goes down through W instead of Wᵀ.",
        "δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ'(zˡ): transpose the weights once more.",
        lambda applied, right, context: product(applied.cotangent, transposed(applied.inputs[1])),
    ),
    _carried(
        "reshaped-weights",
        "The weights are reshaped instead of transposed: the shape fits, but the numbers are in the wrong places.",
        "Use .T, not reshape.",
        _reshaped,
        constant=Constant("form", "choices", (0.0, 1.0)),
    ),
    _carried(
        "same-layer-weights",
        "δ goes down through the weights of the layer that it reaches, Wˡ, instead of those of the layer above, Wˡ⁺¹.",
        "Use the weights between the two layers.",
        _same_layer,
    ),
    _carried(
        "weights-two-layers-up",
        "δ goes down through the weights of one layer too high.",
        "Use the weights between the two layers, Wˡ⁺¹.",
        _layer_above,
    ),
    _carried(
        "first-layer-weights",
        "δ goes down through the first layer's weights in every layer.",
        "Use the weights between the two layers, Wˡ⁺¹.",
        lambda applied, right, context: product(applied.cotangent, applied.values["weights[0]"]),
    ),
    Fault(
        "updated-before-propagated",
        _ID,
        "The weights are updated (learning rate {c}) before δ is carried down through them.",
        "Compute all gradients from the old weights, then update.",
        back=_with_updated(mix=False),
        constant=Constant("learning rate"),
        kind="updated",
    ),
    Fault(
        "product-of-old-and-new-weights",
        _ID,
        "δ is carried down through the product of the old and the updated weights (learning rate {c}).",
        "Carry δ through the old weights alone.",
        back=_with_updated(mix=True),
        constant=Constant("learning rate"),
        kind="updated",
    ),
    _carried(
        "weights-left-out",
        "The weights are left out on the way down: δ of the layer above is summed as it is.",
        "Multiply by (Wˡ⁺¹)ᵀ.",
        lambda applied, right, context: np.broadcast_to(applied.cotangent.sum(axis=-1, keepdims=True), right.shape),
    ),
    _carried(
        "delta-not-carried",
        "δ of the layer above is used as it is, without going through the weights.",
        "Multiply by (Wˡ⁺¹)ᵀ.",
        lambda applied, right, context: applied.cotangent,
    ),
    _carried(
        "absolute-weights",
        "δ goes down through the absolute values of the weights.",
        "Keep their signs.",
        lambda applied, right, context: product(applied.cotangent, np.abs(applied.inputs[1])),
    ),
    _carried(
        "derivative-of-layer-above-lost",
        "What goes down to the layer below lacks the σ' of the layer above: ∂L/∂a is carried instead of δ.",
        "Carry δ, the error times σ', not the error alone.",
        _output_error_to_all,
        unfused=True,
    ),
    _carried(
        "activation-for-delta",
        "The activation of the layer above is carried down instead of its δ.",
        "Carry δˡ⁺¹.",
        _activation_for_delta,
    ),
    _carried(
        "carried-delta-averaged",
        "δ is averaged over the units of the layer above; it must be summed.",
        "A matrix product sums; do not take a mean.",
        lambda applied, right, context: np.asarray(right / applied.cotangent.shape[-1]),
    ),
    _carried(
        "mean-on-the-way-down",
        "δ is divided by the batch size again on its way down to each layer: below the output there is a factor 1/(batch size) too many.",
        "Divide once: in δ of the output, or in the gradients.",
        over_batch,
    ),
    _carried(
        "mean-lost-on-the-way-down",
        "δ is multiplied by the batch size on its way down to each layer: below the output the mean is lost.",
        "Carry δ as it is, with its share of the mean.",
        times_batch,
    ),
    _carried("carried-delta-sign", "δ changes its sign on the way down.", "δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ'(zˡ).", negated),
    _carried(
        "hidden-layers-zero",
        "No δ reaches the hidden layers: all their gradients are zero.",
        "Carry δ down: δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ'(zˡ).",
        zero,
    ),
)
