"""Faults of the weight gradient and of the bias gradient: the wrong factor, the wrong sum, the wrong layer."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from verifier.diagnosis.mlp.catalogue.pieces import BIASES, WEIGHTS, Part, layer_of, on_affine, on_loss, product, transposed
from verifier.diagnosis.mlp.variation import Context, Fault, FinishPiece, Gradients, Inapplicable
from verifier.problems.program import Program
from verifier.textbook import Applied, Back, Sweep

FloatArray = NDArray[np.floating]

_W, _B = "weight-gradient", "bias-gradient"


def _own_activation(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return product(transposed(applied.cotangent), applied.values[f"activations[{layer_of(applied.node.output)}]"])


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


def _ones_for_all(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return product(transposed(applied.cotangent), np.ones_like(applied.inputs[0]))


def _input_for_all(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return product(transposed(applied.cotangent), applied.values["x"])


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


def _zero(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return np.zeros_like(right)


def _negated(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return -right


def _over_batch(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return right / context.batch


def _times_batch(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return right * context.batch


def _bias_of_sample(row: int) -> Part:
    return lambda applied, right, context: applied.cotangent[..., row, :]


def _weights_of_sample(row: int) -> Part:
    return lambda applied, right, context: applied.cotangent[..., row, :, None] * applied.inputs[0][..., row, None, :]


def _one_number(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return np.broadcast_to(right.sum(axis=-1, keepdims=True), right.shape)


def _one_mean(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return np.broadcast_to(right.mean(axis=-1, keepdims=True), right.shape)


def _times_bias(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    return right * applied.inputs[2]


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


def _layer_zero(which: Callable[[Context], int], kinds: tuple[str, ...]) -> FinishPiece:
    def finish(gradients: Gradients, swept: Sweep, program: Program, context: Context) -> Gradients:
        names = {f"{kind}[{which(context)}]" for kind in kinds}
        return {name: np.zeros_like(gradient) if name in names else gradient for name, gradient in gradients.items()}

    return finish


PRODUCT_FAULTS: tuple[Fault, ...] = (
    Fault(
        "activation-of-own-layer",
        _W,
        "δˡ is multiplied with aˡ, the layer's own activation, where aˡ⁻¹ is meant.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ: use what went into the layer.",
        back=on_affine(WEIGHTS, _own_activation),
    ),
    Fault(
        "pre-activation-for-activation",
        _W,
        "δ is multiplied with the pre-activations z of the layer below, where its activations a are meant.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ.",
        back=on_affine(WEIGHTS, _pre_activation_below),
    ),
    Fault(
        "outer-product-transposed",
        _W,
        "The weight gradient is a δᵀ where δ aᵀ is meant: it comes back transposed.",
        "Exchange the factors of the product.",
        back=on_affine(WEIGHTS, _outer_transposed),
    ),
    Fault(
        "ones-for-input",
        _W,
        "The first layer's gradient is δ times ones: the input x is left out.",
        "∂L/∂W¹ = δ¹ xᵀ.",
        back=on_affine(WEIGHTS, _ones_for_input),
    ),
    Fault(
        "activation-left-out",
        _W,
        "The weight gradient is δ alone, in every layer: the activation below is left out.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ.",
        back=on_affine(WEIGHTS, _ones_for_all),
    ),
    Fault(
        "input-for-activation",
        _W,
        "Every layer's δ is multiplied with the input x, where the activation of the layer below is meant.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ.",
        back=on_affine(WEIGHTS, _input_for_all),
    ),
    Fault(
        "mean-before-product",
        _W,
        "δ and a are averaged over the batch first and multiplied then.",
        "Sum the products of each sample: δᵀ a over the batch.",
        back=on_affine(WEIGHTS, _mean_before_product),
    ),
    Fault(
        "error-for-delta",
        _W,
        "The weight gradients are products with ∂L/∂a, the error before σ' is multiplied in.",
        "Multiply with δ = ∂L/∂a ⊙ σ'(z).",
        back=on_affine(WEIGHTS, _error_for_delta),
        unfused=True,
    ),
    Fault(
        "bias-error-for-delta",
        _B,
        "The bias gradients are sums of ∂L/∂a, the error before σ' is multiplied in.",
        "Sum δ = ∂L/∂a ⊙ σ'(z).",
        back=on_affine(BIASES, _bias_error_for_delta),
        unfused=True,
    ),
    Fault(
        "bias-times-bias",
        _B,
        "δ is multiplied with the bias itself.",
        "∂L/∂bˡ = δˡ: a bias enters with factor 1.",
        on_affine(BIASES, _times_bias),
    ),
    Fault(
        "bias-one-number",
        _B,
        "The bias gradient is one number for the whole layer: it is summed over the units too.",
        "Sum over the batch alone: np.sum(delta, axis=…).",
        back=on_affine(BIASES, _one_number),
    ),
    Fault(
        "bias-averaged-over-units",
        _B,
        "The bias gradient is one number for the whole layer: the mean over its units.",
        "Sum over the batch alone: np.sum(delta, axis=…).",
        back=on_affine(BIASES, _one_mean),
    ),
    Fault(
        "bias-not-summed",
        _B,
        "The bias gradient is δ of the first sample: it is not summed over the batch.",
        "Sum δ over the batch.",
        back=on_affine(BIASES, _bias_of_sample(0)),
    ),
    Fault(
        "bias-of-last-sample",
        _B,
        "The bias gradient is δ of the last sample: it is not summed over the batch.",
        "Sum δ over the batch.",
        back=on_affine(BIASES, _bias_of_sample(-1)),
    ),
    Fault(
        "weights-of-first-sample",
        _W,
        "The weight gradient is that of the first sample: it is not summed over the batch.",
        "Sum δ aᵀ over the batch.",
        back=on_affine(WEIGHTS, _weights_of_sample(0)),
    ),
    Fault(
        "weights-of-last-sample",
        _W,
        "The weight gradient is that of the last sample: it is not summed over the batch.",
        "Sum δ aᵀ over the batch.",
        back=on_affine(WEIGHTS, _weights_of_sample(-1)),
    ),
    Fault(
        "last-sample-only",
        _W,
        "Only the last sample of the batch counts: the loop assigns the gradients where it should add to them.",
        "Add up over the batch: += in the place of =.",
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
    ),
    Fault(
        "bias-of-layer-below",
        _B,
        "Each bias gradient is that of the layer below.",
        "∂L/∂bˡ = δˡ: check the indices.",
        finish=_finish_biases(lambda layer, last: max(layer - 1, 0)),
    ),
    Fault(
        "biases-of-first-layer",
        _B,
        "All bias gradients are those of the first layer: δ lives in one array that every layer overwrites.",
        "Store a copy of δ for each layer.",
        finish=_finish_biases(lambda layer, last: 0),
    ),
    Fault(
        "bias-averaged",
        _B,
        "The bias gradient is divided by the batch size once too often.",
        "Reduce it over the batch as the weights' gradient is.",
        back=on_affine(BIASES, _over_batch),
        kind="bias-scale",
    ),
    Fault(
        "bias-not-averaged",
        _B,
        "The bias gradient is summed over the batch, where the mean is due.",
        "Divide it by the batch size, as the weights' gradient is.",
        back=on_affine(BIASES, _times_batch),
        kind="bias-scale",
    ),
    Fault(
        "bias-sign", _B, "The sign of the bias gradient alone is wrong.", "∂L/∂bˡ = +δˡ.", on_affine(BIASES, _negated), kind="bias-scale"
    ),
    Fault(
        "bias-zero",
        _B,
        "The bias gradient is zero: it is never computed.",
        "∂L/∂bˡ = δˡ, summed over the batch.",
        on_affine(BIASES, _zero),
        kind="bias-scale",
    ),
    Fault(
        "weights-averaged",
        _W,
        "The weight gradient is divided by the batch size once too often; the bias gradient is not.",
        "Reduce both over the batch alike.",
        back=on_affine(WEIGHTS, _over_batch),
        kind="weight-scale",
    ),
    Fault(
        "weights-not-averaged",
        _W,
        "The weight gradient is summed over the batch, where the mean is due; the bias gradient is right.",
        "Divide it by the batch size too.",
        back=on_affine(WEIGHTS, _times_batch),
        kind="weight-scale",
    ),
    Fault(
        "weights-sign",
        _W,
        "The sign of the weight gradient alone is wrong.",
        "∂L/∂Wˡ = +δˡ (aˡ⁻¹)ᵀ.",
        on_affine(WEIGHTS, _negated),
        kind="weight-scale",
    ),
    Fault(
        "weights-zero",
        _W,
        "The weight gradient is zero: it is never computed.",
        "∂L/∂Wˡ = δˡ (aˡ⁻¹)ᵀ.",
        on_affine(WEIGHTS, _zero),
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
        "output-layer-zero",
        _W,
        "The output layer's gradients are zero: the loop starts one layer too low.",
        "Begin with the output layer.",
        finish=_layer_zero(lambda context: context.last, ("weights", "biases")),
    ),
)
