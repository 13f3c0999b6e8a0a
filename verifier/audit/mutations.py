"""The catalogue of mutations: each is a mistake that a published backward pass has had, as an edit of its gradients or cotangents.

An edit is a function of one call and the position of a gradient (or cotangent); None says that this call does not show the mistake.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.audit.calls import Call
from verifier.audit.edits import Edit

TILE = 16  # the smallest block of the kernels among the published bugs
LARGE = 8.0  # beyond this exp(-x) is below 1e-3 of what it is at 1: sigmoids and tanh are flat, and normal numbers never come here

EditOf = Callable[[Call, int], Edit | None]


@dataclass(frozen=True)
class Mutation:
    """One mistake.

    Attributes:
        id: its name in reports.
        summary: what the mutated pass does, as a predicate: "is zero".
        edit: the edit for a call.
        shown_by: what an input or a use must have to show it.
        of_cotangent: whether the cotangent is edited, for all gradients of the pass at once, in place of one gradient.
        watch: what of the call it depends on, where that is compared with the suite's usual: "rank", or the name of an option.
        usual: that usual value, as text.
    """

    id: str
    summary: str
    edit: EditOf
    shown_by: str = "any input"
    of_cotangent: bool = False
    watch: str | None = None
    usual: str | None = None


def _gradient(call: Call, position: int) -> Array:
    gradient = call.gradients[position]
    assert gradient is not None
    return gradient


def _cotangent(call: Call, position: int) -> Array:
    cotangent = call.cotangents[position]
    assert cotangent is not None
    return cotangent


def _of_gradient(edit: Callable[[Array], Edit | None]) -> EditOf:
    """An edit that depends on the gradient alone."""
    return lambda call, position: edit(_gradient(call, position))


def _of_cotangent(edit: Callable[[Array], Edit | None]) -> EditOf:
    return lambda call, position: edit(_cotangent(call, position))


def _scaled(factor: float) -> EditOf:
    return lambda call, position: Edit(factor=factor)


def _doubled_if(condition: Callable[[Call], bool]) -> EditOf:
    return lambda call, position: Edit(factor=2.0) if condition(call) else None


def _times_batch(call: Call, position: int) -> Edit | None:
    return None if call.batch is None else Edit(factor=float(call.batch))


def _exchanged(call: Call, position: int) -> Edit | None:
    """With the next gradient of the same shape, in a circle."""
    shape = _gradient(call, position).shape
    same = [i for i, gradient in enumerate(call.gradients) if gradient is not None and gradient.shape == shape]
    return None if len(same) < 2 else Edit(source=same[(same.index(position) + 1) % len(same)])


def _transposed(gradient: Array) -> Edit | None:
    if gradient.ndim < 2:
        return None
    return Edit(index=np.arange(gradient.size).reshape(gradient.shape).swapaxes(-1, -2).reshape(-1))


def _without(gradient: Array, part: Any) -> Edit | None:
    """With zeros in a part of it."""
    if not gradient.ndim:
        return None
    factor = np.ones(gradient.shape)
    factor[part] = 0
    return Edit(factor=factor)


def _last_tile(gradient: Array) -> Edit | None:
    whole = gradient.shape[-1] // TILE * TILE if gradient.ndim else 0
    return _without(gradient, np.s_[..., whole:]) if whole and whole < gradient.shape[-1] else None


def _one_element(gradient: Array) -> Edit | None:
    if gradient.size < 2:
        return None
    factor = np.ones(gradient.size)
    factor[gradient.size // 2] = 2
    return Edit(factor=factor.reshape(gradient.shape))


def _first_row_repeated(array: Array) -> Edit | None:
    if not array.ndim or not array.size:
        return None
    positions = np.arange(array.size).reshape(array.shape)
    return Edit(index=np.broadcast_to(positions[:1], array.shape).reshape(-1).copy())


def _before(call: Call, position: int) -> Array | None:
    """The gradient of the call before, where it had the same shape."""
    previous = call.previous[position] if position < len(call.previous) else None
    return previous if previous is not None and previous.shape == _gradient(call, position).shape else None


def _previous(call: Call, position: int) -> Edit | None:
    previous = _before(call, position)
    return None if previous is None else Edit(constant=previous)


def _added_to_previous(call: Call, position: int) -> Edit | None:
    previous = _before(call, position)
    return None if previous is None else Edit(plus=previous)


def _where(condition: Callable[[Array], Array], factor: float) -> EditOf:
    """Multiplied where the input fulfils the condition."""

    def edit(call: Call, position: int) -> Edit | None:
        x, gradient = call.inputs[position], _gradient(call, position)
        if x is None or x.shape != gradient.shape or not x.size:
            return None
        mask = condition(x)
        return Edit(factor=np.where(mask, factor, 1.0)) if mask.any() else None

    return edit


def _tied(x: Array) -> Array:
    """Which elements occur again in their row."""
    rows = x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)
    order = np.argsort(rows, axis=-1)
    ordered = np.take_along_axis(rows, order, axis=-1)
    equal = ordered[:, 1:] == ordered[:, :-1]
    again = np.zeros(rows.shape, bool)
    again[:, 1:] |= equal
    again[:, :-1] |= equal
    tied = np.empty_like(again)
    np.put_along_axis(tied, order, again, axis=-1)
    return tied.reshape(x.shape)


def _one_at_zeros(call: Call, position: int) -> Edit | None:
    x, gradient = call.inputs[position], _gradient(call, position)
    if x is None or x.shape != gradient.shape or not (x == 0).any():
        return None
    return Edit(fill=(x == 0, 1.0))


def _nan_at_zero(gradient: Array) -> Edit | None:
    mask = gradient == 0
    return Edit(fill=(mask, float("nan"))) if mask.any() else None


def _has_equal_sizes(call: Call) -> bool:
    several = any(array is not None and array.ndim > 1 for array in (*call.inputs, *call.gradients))
    return several and len(set(call.sizes)) == 1


def _narrower(gradient: Array) -> Edit | None:
    narrow = {"float64": "float32", "float32": "bfloat16"}.get(str(gradient.dtype))
    return Edit(narrow=narrow) if narrow else None


def _taken_as_contiguous(call: Call, position: int) -> Edit | None:
    """What memory holds from the first element on; 0 where it holds nothing that is known."""
    cotangent = _cotangent(call, position)
    strides = call.layouts[position] if position < len(call.layouts) else None
    if strides is None or not cotangent.size or any(stride < 0 for stride in strides):
        return None
    addresses = np.zeros(cotangent.shape, np.intp)
    for axis, stride in enumerate(strides):
        addresses += stride * np.arange(cotangent.shape[axis]).reshape([-1 if i == axis else 1 for i in range(cotangent.ndim)])
    stored = np.full(max(int(addresses.max()) + 1, cotangent.size), -1)
    stored[addresses.reshape(-1)] = np.arange(cotangent.size)
    read = stored[: cotangent.size]
    if np.array_equal(read, np.arange(cotangent.size)):
        return None
    return Edit(index=np.maximum(read, 0), factor=(read >= 0).astype(float).reshape(cotangent.shape))


def _without_last_output(call: Call, position: int) -> Edit | None:
    return Edit(factor=0.0) if len(call.cotangents) > 1 and position == len(call.cotangents) - 1 else None


def unusual(watch: str, usual: str) -> Mutation:
    """Wrong only where an option (or the rank) is not what it usually is in the suite."""
    return Mutation(
        f"other-{watch}",
        f"is doubled unless {watch} is {usual}",
        _doubled_if(lambda call: watched(call, watch) != usual),
        f"{'a rank' if watch == 'rank' else f'a value of {watch}'} other than {usual}",
        watch=watch,
        usual=usual,
    )


def watched(call: Call, watch: str) -> str:
    """What an `unusual` mutation compares."""
    value = call.rank if watch == "rank" else call.options.get(watch)
    return (float.__repr__(value) if isinstance(value, float) else repr(value))[:80]  # a number of JAX's own type is a number


CATALOGUE: tuple[Mutation, ...] = (
    Mutation("zero", "is zero", _scaled(0.0)),
    Mutation("negated", "has the other sign", _scaled(-1.0)),
    Mutation("doubled", "is twice what it should be", _scaled(2.0)),
    Mutation("halved", "is half of what it should be", _scaled(0.5)),
    Mutation(
        "cotangent-ones",
        "takes the cotangent as ones",
        _of_cotangent(lambda c: Edit(constant=np.ones(c.shape))),
        "a cotangent other than ones",
        of_cotangent=True,
    ),
    Mutation("reversed", "has its entries in reverse order", _of_gradient(lambda g: Edit(index=np.arange(g.size)[::-1].copy()))),
    Mutation("times-batch", "is multiplied by the batch size", _times_batch, "a batch above 1"),
    Mutation("transposed", "has its last two axes exchanged", _of_gradient(_transposed), "two axes"),
    Mutation("exchanged", "is exchanged with another of the same shape", _exchanged, "two inputs of one shape"),
    Mutation("last-row", "lacks its last row", _of_gradient(lambda g: _without(g, np.s_[-1:])), "a last row whose gradient is not 0"),
    Mutation(
        "one-element",
        "is doubled in one element in its middle",
        _of_gradient(_one_element),
        "an element in the middle whose gradient is not 0",
    ),
    Mutation("first-of-batch", "holds the first of the batch only", _of_gradient(lambda g: _without(g, np.s_[1:])), "a batch above 1"),
    Mutation("shared-over-batch", "repeats the first of the batch", _of_gradient(_first_row_repeated), "a batch above 1"),
    Mutation("batch-above-1", "is doubled for a batch above 1", _doubled_if(lambda call: (call.batch or 0) > 1), "a batch above 1"),
    Mutation("unequal-sizes", "is doubled where sizes are unequal", _doubled_if(lambda call: len(set(call.sizes)) > 1), "unequal sizes"),
    Mutation("equal-sizes", "is doubled where all sizes are equal", _doubled_if(_has_equal_sizes), "equal sizes"),
    Mutation(
        "last-tile",
        f"lacks what is beyond the last whole block of {TILE}",
        _of_gradient(_last_tile),
        f"a last size above {TILE}, no multiple of it",
    ),
    Mutation("where-negative", "is doubled where its input is negative", _where(lambda x: x < 0, 2.0), "negative inputs"),
    Mutation("where-large", f"is zero where its input is beyond ±{LARGE:g}", _where(lambda x: np.abs(x) > LARGE, 0.0), "large values"),
    Mutation("at-zeros", "is one where its input is zero", _one_at_zeros, "zeros among the inputs"),
    Mutation("at-ties", "is doubled where inputs of a row are equal", _where(_tied, 2.0), "ties among the inputs"),
    Mutation("nan-at-zero", "is NaN where it should be zero", _of_gradient(_nan_at_zero), "an element whose gradient is 0"),
    Mutation("previous-call", "is that of the call before", _previous, "two calls in one test"),
    Mutation("added-to-previous", "is added to that of the call before", _added_to_previous, "two calls in one test"),
    Mutation("narrower", "is rounded to the next narrower type", _of_gradient(_narrower), "float64 or float32"),
    Mutation(
        "cotangent-contiguous", "takes the cotangent's memory as contiguous", _taken_as_contiguous, "a strided cotangent", of_cotangent=True
    ),
    Mutation(
        "cotangent-shared",
        "takes the first row's cotangent for all",
        _of_cotangent(_first_row_repeated),
        "a cotangent whose rows differ",
        of_cotangent=True,
    ),
    Mutation(
        "last-output", "ignores the cotangent of the last output", _without_last_output, "a cotangent for all outputs", of_cotangent=True
    ),
)
BY_ID = {mutation.id: mutation for mutation in CATALOGUE}


def mutation_named(name: str, watch: str | None, usual: str | None) -> Mutation:
    """The mutation of this id; with `watch` and `usual` the one that compares."""
    return BY_ID[name] if watch is None else unusual(watch, usual or "")
