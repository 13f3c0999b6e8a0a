"""How a fault says which piece it replaces: small wrappers that find the right node and leave every other alone."""

from collections.abc import Callable

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.mlp.variation import BackPiece, Context, Inapplicable
from verifier.problems.operations import OPERATIONS
from verifier.textbook import Applied, Back

CARRIED, WEIGHTS, BIASES = 0, 1, 2  # what the vjp of an affine node gives: for the activation below, for the weights, for the biases
Part = Callable[[Applied, FloatArray, Context], FloatArray]
Slope = Callable[[Applied, Context], FloatArray | None]


def transposed(matrix: FloatArray) -> FloatArray:
    """The last two axes exchanged."""
    return np.swapaxes(matrix, -1, -2)


def layer_of(name: str) -> int:
    """2 of `pre_activations[2]`."""
    return int(name.partition("[")[2].rstrip("]"))


def product(first: FloatArray, second: FloatArray) -> FloatArray:
    """A matrix product; Inapplicable where the shapes do not fit, as the candidate's own code would fail."""
    if first.shape[-1] != second.shape[-2]:
        raise Inapplicable
    return first @ second


def fitting(array: FloatArray, right: FloatArray, axes: int) -> FloatArray:
    """The array, if its last axes are as long as those of what it is put in the place of (copies stand on a leading one)."""
    if array.shape[-axes:] != right.shape[-axes:]:
        raise Inapplicable
    return array


def zero(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """Nothing arrives."""
    return np.zeros_like(right)


def negated(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """The other sign."""
    return -right


def over_batch(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """A mean too many."""
    return np.asarray(right / context.batch)


def times_batch(applied: Applied, right: FloatArray, context: Context) -> FloatArray:
    """A sum in the place of the mean."""
    return np.asarray(right * context.batch)


def divisor(context: Context) -> float:
    """What the claimed loss divides the sum over batch and outputs by."""
    return {"mean": float(context.batch), "mean_all": float(context.batch * context.outputs)}.get(context.claims.reduction, 1.0)


def on_affine(part: int, piece: Part) -> BackPiece:
    """Replace one part of what the affine nodes' vjps give; `piece` gets that part as it is (so that two faults can meet)."""

    def back(applied: Applied, found: Back, context: Context) -> Back:
        if applied.node.operation != "affine" or part >= len(found):
            return found
        there = found[part]
        if there is None:
            return found
        if part == CARRIED and layer_of(applied.node.output) == 0:
            return found
        replaced = applied.store(fitting(piece(applied, there, context), there, 1 if part == BIASES else 2))
        return tuple(replaced if index == part else one for index, one in enumerate(found))

    return back


def on_loss(piece: Callable[[Applied, Back, Context], FloatArray | None]) -> BackPiece:
    """Replace ∂loss/∂ŷ (or by the logits) of each sample; `piece` may give None to leave it as it is."""

    def back(applied: Applied, found: Back, context: Context) -> Back:
        if applied.node.output != "losses":
            return found
        replaced = piece(applied, found, context)
        return found if replaced is None else (applied.store(replaced), *found[1:])

    return back


def scaled_loss(factor: Callable[[Context], float]) -> BackPiece:
    """∂loss/∂ŷ times a factor: the whole data part of the gradient is."""

    def piece(applied: Applied, found: Back, context: Context) -> FloatArray | None:
        return None if found[0] is None else found[0] * factor(context)

    return on_loss(piece)


def on_slope(scope: str, slope: Slope) -> BackPiece:
    """Replace σ' in hidden layers, at the output, or in `every` layer; `slope` may give None where the layer is not its concern."""

    def back(applied: Applied, found: Back, context: Context) -> Back:
        name = applied.node.output
        if not name.startswith("activations") or not in_scope(scope, layer_of(name), context.last):
            return found
        replaced = slope(applied, context)
        return found if replaced is None else (applied.store(applied.cotangent * applied.store(replaced)),)

    return back


def in_scope(scope: str, layer: int, last: int) -> bool:
    """Whether a layer is of the scope `hidden`, `output` or `every`."""
    return scope == "every" or (scope == "output") == (layer == last)


def right_slope(applied: Applied, at: FloatArray | None = None) -> FloatArray | None:
    """σ' of the node's own activation, at its pre-activation or at another argument; None for a softmax, which has no slope."""
    operation = OPERATIONS[applied.node.operation]
    if operation.name == "softmax":
        return None
    z = applied.inputs[0] if at is None else at
    output = operation.forward((z,), applied.node.attributes, applied.store)
    return operation.vjp((z,), output, np.ones_like(output), applied.node.attributes, applied.store)[0]
