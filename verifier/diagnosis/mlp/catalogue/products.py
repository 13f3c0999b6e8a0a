"""Faults of the weight gradient and of the bias gradient: the wrong factor, the wrong sum, the wrong layer."""

from collections.abc import Callable
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.mlp.catalogue.pieces import (
    BIASES,
    WEIGHTS,
    Part,
    layer_of,
    negated,
    on_affine,
    on_loss,
    over_batch,
    product,
    times_batch,
    transposed,
    zero,
)
from verifier.diagnosis.mlp.variation import Context, Fault, FinishPiece, Gradients, Inapplicable
from verifier.problems.program import Program
from verifier.textbook import Applied, Back, Sweep

_W, _B = "weight-gradient", "bias-gradient"


def _pre_activation_below(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    layer = layer_of(applied.node.output)
    return product(transposed(applied.cotangent), applied.values[f"pre_activations[{layer - 1}]"]) if layer else right


def _outer_transposed(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """a δᵀ; where the layer is not square its elements are taken in order, as the contract does."""
    laid = transposed(right) if context.claims.weight_layout == "out_in" else right
    leading, (rows, columns) = right.shape[:-2], right.shape[-2:]
    if context.claims.weight_layout == "out_in":
        return np.ascontiguousarray(laid).reshape(*leading, rows, columns)
    return transposed(np.ascontiguousarray(laid).reshape(*leading, columns, rows))


def _ones_for_input(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    if layer_of(applied.node.output):
        return right
    return product(transposed(applied.cotangent), np.ones_like(applied.inputs[0]))


def _mean_before_product(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """δ summed over the batch, times the mean activation."""
    delta = applied.cotangent.sum(axis=-2, keepdims=True)
    return product(transposed(delta), applied.inputs[0].mean(axis=-2, keepdims=True))


def _error_for_delta(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """The product is taken with ∂L/∂a, before σ'."""
    error = applied.cotangents.get(f"activations[{layer_of(applied.node.output)}]")
    return right if error is None else product(transposed(error), applied.inputs[0])


def _bias_error_for_delta(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    error = applied.cotangents.get(f"activations[{layer_of(applied.node.output)}]")
    return right if error is None else error.sum(axis=-2)


def _bias_of_sample(row: int) -> Part:
    return lambda applied, right, context: applied.cotangent[..., row, :]


def _weights_of_sample(row: int) -> Part:
    return lambda applied, right, context: applied.cotangent[..., row, :, None] * applied.inputs[0][..., row, None, :]


def _kept_rows(row: int) -> Callable[[Applied, Back, Context], FloatArray | None]:
    """δ of all other samples is dropped."""

    def piece(applied: Applied, found: Back, context: Context) -> FloatArray | None:
        if found[0] is None:
            return None
        mask = np.zeros((context.batch, 1))
        mask[row] = 1.0
        return found[0] * mask

    return piece


def _finish_biases(choose: Callable[[int, int], int]) -> FinishPiece:
    """Each layer's bias gradient is that of another layer."""

    def finish(gradients: Gradients, swept: Sweep, program: Program, context: Context) -> Gradients:
        changed = dict(gradients)
        for layer in range(context.last + 1):
            name, other = f"biases[{layer}]", f"biases[{choose(layer, context.last)}]"
            if name not in gradients:
                return gradients
            if gradients[name].shape != gradients[other].shape:
                raise Inapplicable
            changed[name] = gradients[other]
        return changed

    return finish


def _layer_zero(which: Callable[[Context], int], kinds: tuple[str, ...], *, hidden: bool = False) -> FinishPiece:
    """A layer's gradients are zero; `hidden`: unless it is the output layer too."""

    def finish(gradients: Gradients, swept: Sweep, program: Program, context: Context) -> Gradients:
        if hidden and which(context) == context.last:
            return gradients
        names = {f"{kind}[{which(context)}]" for kind in kinds}
        return {name: np.zeros_like(gradient) if name in names else gradient for name, gradient in gradients.items()}

    return finish


def _weights(id: str, explanation: str, hint: str, piece: Part, **more: Any) -> Fault:
    """A fault in the part of an affine layer's weights."""
    return Fault(id, _W, explanation, hint, on_affine(WEIGHTS, piece), **more)


def _finish_one_number_of_layer_above(gradients: Gradients, swept: Sweep, program: Program, context: Context) -> Gradients:
    changed = dict(gradients)
    for layer in range(context.last + 1):
        name, other = f"biases[{layer}]", f"biases[{min(layer + 1, context.last)}]"
        if name in gradients:
            changed[name] = np.broadcast_to(gradients[other].sum(axis=-1, keepdims=True), gradients[name].shape)
    return changed


def _biases(id: str, explanation: str, hint: str, piece: Part, **more: Any) -> Fault:
    """A fault in the part of an affine layer's biases."""
    return Fault(id, _B, explanation, hint, on_affine(BIASES, piece), **more)


PRODUCT_FAULTS: tuple[Fault, ...] = (
    _weights(
        "activation-of-own-layer",
        "δˡ is multiplied with aˡ, the layer's own activation, instead of aˡ⁻¹.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ: use what went into the layer.",
        lambda applied, right, context: product(
            transposed(applied.cotangent), applied.values[f"activations[{layer_of(applied.node.output)}]"]
        ),
    ),
    _weights(
        "pre-activation-for-activation",
        "δ is multiplied with the pre-activations z of the layer below instead of its activations a.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ.",
        _pre_activation_below,
    ),
    _weights(
        "outer-product-transposed",
        "The weight gradient is a δᵀ instead of δ aᵀ: it is transposed.",
        "Exchange the factors of the product.",
        _outer_transposed,
    ),
    _weights(
        "ones-for-input",
        "The first layer's gradient is δ times ones: the input x is left out.",
        "∂L/∂W¹ = δ¹ xᵀ.",
        _ones_for_input,
    ),
    _weights(
        "activation-left-out",
        "The weight gradient is δ alone, in every layer: the activation below is left out.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ.",
        lambda applied, right, context: product(transposed(applied.cotangent), np.ones_like(applied.inputs[0])),
    ),
    _weights(
        "input-for-activation",
        "Every layer's δ is multiplied with the input x instead of the activation of the layer below.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ.",
        lambda applied, right, context: product(transposed(applied.cotangent), applied.values["x"]),
    ),
    _weights(
        "mean-before-product",
        "δ and a are averaged over the batch first and multiplied then.",
        "Sum the products of each sample: δᵀ a over the batch.",
        _mean_before_product,
    ),
    _weights(
        "error-for-delta",
        "The weight gradients are products with ∂L/∂a, the error before σ' is multiplied in.",
        "Multiply with δ = ∂L/∂a ⊙ σ'(z).",
        _error_for_delta,
        unfused=True,
    ),
    _biases(
        "bias-error-for-delta",
        "The bias gradients are sums of ∂L/∂a, the error before σ' is multiplied in.",
        "Sum δ = ∂L/∂a ⊙ σ'(z).",
        _bias_error_for_delta,
        unfused=True,
    ),
    _biases(
        "bias-times-bias",
        "δ is multiplied with the bias itself.",
        "∂L/∂bˡ = δˡ: a bias enters with factor 1.",
        lambda applied, right, context: right * applied.inputs[2],
    ),
    _biases(
        "bias-one-number",
        "The bias gradient is one number for the whole layer: it is summed over the units too.",
        "Sum over the batch alone: np.sum(delta, axis=…).",
        lambda applied, right, context: np.broadcast_to(right.sum(axis=-1, keepdims=True), right.shape),
        kind="bias-one-number",
    ),
    _biases(
        "hidden-bias-one-number",
        "The bias gradient of a hidden layer is one number: it is summed over the units too.",
        "Sum over the batch alone: np.sum(delta, axis=…).",
        lambda applied, right, context: (
            right if layer_of(applied.node.output) == context.last else np.broadcast_to(right.sum(axis=-1, keepdims=True), right.shape)
        ),
        kind="bias-one-number",
    ),
    Fault(
        "bias-one-number-of-layer-above",
        _B,
        "Every bias gradient is one number, summed over the units too; a hidden layer's is that of the layer above.",
        "Sum each layer's own δ, over the batch alone: np.sum(delta, axis=…).",
        finish=_finish_one_number_of_layer_above,
        couples=True,
    ),
    _biases(
        "bias-averaged-over-units",
        "The bias gradient is one number for the whole layer: the mean over its units.",
        "Sum over the batch alone: np.sum(delta, axis=…).",
        lambda applied, right, context: np.broadcast_to(right.mean(axis=-1, keepdims=True), right.shape),
    ),
    _biases(
        "bias-not-summed",
        "The bias gradient is δ of the first sample: it is not summed over the batch.",
        "Sum δ over the batch.",
        _bias_of_sample(0),
    ),
    _biases(
        "bias-of-last-sample",
        "The bias gradient is δ of the last sample: it is not summed over the batch.",
        "Sum δ over the batch.",
        _bias_of_sample(-1),
    ),
    _weights(
        "weights-of-first-sample",
        "The weight gradient is that of the first sample: it is not summed over the batch.",
        "Sum δ aᵀ over the batch.",
        _weights_of_sample(0),
    ),
    _weights(
        "weights-of-last-sample",
        "The weight gradient is that of the last sample: it is not summed over the batch.",
        "Sum δ aᵀ over the batch.",
        _weights_of_sample(-1),
    ),
    Fault(
        "last-sample-only",
        _W,
        "Only the last sample of the batch counts: the loop assigns the gradients instead of adding to them.",
        "Add up over the batch: += instead of =.",
        back=on_loss(_kept_rows(-1)),
    ),
    Fault(
        "first-sample-only",
        _W,
        "Only the first sample of the batch counts.",
        "Add up over the whole batch: does the loop return too early?",
        back=on_loss(_kept_rows(0)),
    ),
    Fault(
        "bias-of-layer-above",
        _B,
        "Each bias gradient is that of the layer above.",
        "∂L/∂bˡ = δˡ: check the indices.",
        finish=_finish_biases(lambda layer, last: min(layer + 1, last)),
        couples=True,
    ),
    Fault(
        "bias-of-layer-below",
        _B,
        "Each bias gradient is that of the layer below.",
        "∂L/∂bˡ = δˡ: check the indices.",
        finish=_finish_biases(lambda layer, last: max(layer - 1, 0)),
        couples=True,
    ),
    Fault(
        "biases-of-first-layer",
        _B,
        "All bias gradients are those of the first layer: δ lives in one array that every layer overwrites.",
        "Store a copy of δ for each layer.",
        finish=_finish_biases(lambda layer, last: 0),
        couples=True,
    ),
    _biases(
        "bias-averaged",
        "The bias gradient is divided by the batch size once too often.",
        "Reduce it over the batch as the weights' gradient is.",
        over_batch,
        kind="bias-scale",
    ),
    _biases(
        "bias-not-averaged",
        "The bias gradient is summed over the batch, but the loss is a mean.",
        "Divide it by the batch size, as the weights' gradient is.",
        times_batch,
        kind="bias-scale",
    ),
    _biases("bias-sign", "The sign of the bias gradient alone is wrong.", "∂L/∂bˡ = +δˡ.", negated, kind="bias-scale"),
    _biases(
        "bias-zero",
        "The bias gradient is zero: it is never computed.",
        "∂L/∂bˡ = δˡ, summed over the batch.",
        zero,
        kind="bias-scale",
    ),
    _weights(
        "weights-averaged",
        "The weight gradient is divided by the batch size once too often; the bias gradient is not.",
        "Reduce both over the batch alike.",
        over_batch,
        kind="weight-scale",
    ),
    _weights(
        "weights-not-averaged",
        "The weight gradient is summed over the batch, but the loss is a mean; the bias gradient is right.",
        "Divide it by the batch size too.",
        times_batch,
        kind="weight-scale",
    ),
    _weights(
        "weights-sign",
        "The sign of the weight gradient alone is wrong.",
        "∂L/∂Wˡ = +δˡ (aˡ⁻¹)ᵀ.",
        negated,
        kind="weight-scale",
    ),
    _weights(
        "weights-zero",
        "The weight gradient is zero: it is never computed.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ.",
        zero,
        kind="weight-scale",
    ),
    Fault(
        "first-layer-zero",
        _W,
        "The first layer's gradients are zero: the loop stops one layer early.",
        "Go down to the first layer.",
        finish=_layer_zero(lambda context: 0, ("weights", "biases")),
    ),
    Fault(
        "first-hidden-layer-zero",
        _W,
        "The first layer's gradients are zero wherever a layer stands above it: the loop over the hidden layers stops one layer early.",
        "Go down to the first layer: the end of a range is left out.",
        finish=_layer_zero(lambda context: 0, ("weights", "biases"), hidden=True),
    ),
    Fault(
        "output-layer-zero",
        _W,
        "The output layer's gradients are zero: the loop starts one layer too low.",
        "Begin with the output layer.",
        finish=_layer_zero(lambda context: context.last, ("weights", "biases")),
    ),
)
