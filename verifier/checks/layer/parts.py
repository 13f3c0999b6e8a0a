"""Which array of a manifest plays which part of its operation, and how it lies beside the operation's usual layout.

Letters tell: x = "N H V C" has the usual "N C H W" in another order, V for W. Letters that the operation does not know stand, in their
order, for those that are left; axes of 1 are left out where the usual layout has fewer; a product such as "P*Q" joins axes; without "N"
there is one sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.layer.claims import LayerClaims
from verifier.contracts.layer.drawing import LayerProblem
from verifier.contracts.layer.letters import BATCH, axes_in_letters, parts_by_role, smallest_first, usual_places
from verifier.contracts.layer.operations.operation import Operation
from verifier.problems.sizes import ANY, Shape, parse_shape

LABELS = "y"


@dataclass(frozen=True)
class Lying:
    """How one array lies.

    Attributes:
        name: in the manifest.
        joined: how many leading axes stay as they are before the rest is joined to one; -1 where none is joined.
        order: of its axes, those of 1 left out, in the usual layout.
        single: whether the usual layout has an axis of samples before these.
        rows: how many leading axes are its samples, the others its columns; 0 where axes stay as they are.
    """

    name: str
    joined: int
    order: tuple[int, ...]
    single: bool
    rows: int = 0

    def in_usual_layout(self, array: Array) -> Array:
        """The array as the operation takes it."""
        if self.rows:
            count = int(np.prod(array.shape[: self.rows]))
            return array.reshape((count,) if array.ndim == self.rows else (count, int(np.prod(array.shape[self.rows :]))))
        lengths = array.shape if self.joined < 0 else (*array.shape[: self.joined], int(np.prod(array.shape[self.joined :])))
        turned = array.reshape(_longer_than_one(lengths, len(self.order))).transpose(self.order)
        return np.ascontiguousarray(turned[None] if self.single else turned)

    def as_it_lies(self, usual: Array, shape: Sequence[int]) -> Array:
        """The inverse, in the array's shape."""
        if self.rows:
            return usual.reshape(shape)
        turned = usual[0] if self.single else usual
        return turned.transpose(np.argsort(self.order)).reshape(shape)


def roles_of(claims: LayerClaims) -> Mapping[str, str]:
    """By the operation's name of an array, the manifest's."""
    return {} if claims.entry is None else parts_by_role(claims.entry, claims.shapes)


def layout_of(claims: LayerClaims) -> Mapping[str, Lying] | None:
    """By part, how its array lies; None where letters do not tell, or an array plays no part."""
    entry, roles = claims.entry, roles_of(claims)
    if entry is None or set(roles.values()) != set(claims.shapes):
        return None
    rows = _rows_of(entry, {role: claims.shapes[name] for role, name in roles.items()})
    if rows:
        return {role: Lying(name, -1, (), False, rows) for role, name in roles.items()}
    meaning: dict[str, str] = {}
    found = {}
    texts = {one for shape in claims.shapes.values() for one in axes_in_letters(shape)}
    for role, name in smallest_first(roles, claims.shapes):
        own, joined = _joined(axes_in_letters(claims.shapes[name]), texts)
        usual = _usual_axes(entry, role, claims.shapes[name])
        if usual is None or ANY in own:
            return None
        if len(own) < len(usual) == len(claims.shapes[name].dimensions):
            own = axes_in_letters(claims.shapes[name])  # an axis that is always 1 stands for one of the usual ones
        elif own == [BATCH] and entry.of_numbers:
            usual = usual[:1]
        single = len(own) == len(usual) - 1 and usual[0] == BATCH and BATCH not in own
        order = usual_places(own, usual[1:] if single else usual, meaning)
        if order is None:
            return None
        found[role] = Lying(name, joined, order, single)
    return found


def _rows_of(entry: Operation, shapes: Mapping[str, Shape]) -> int:
    """How many leading axes of a loss's arrays are samples, where there are more axes than usual: x = "N T C", y = "int<C> N T"."""
    x, y = shapes.get("x"), shapes.get(LABELS)
    if x is None or y is None or set(shapes) != {"x", LABELS} or list(entry.outputs.values()) != [""]:
        return 0
    usual, own, labels = parse_shape(entry.arrays["x"]), axes_in_letters(x), axes_in_letters(y)
    if len(own) <= len(usual.dimensions) or ANY in own or x.kind != usual.kind:
        return 0
    if entry.of_numbers:
        return 1 if labels == own else 0
    return len(own) - 1 if labels in (own, own[:-1]) else 0


def _usual_axes(entry: Operation, role: str, claimed: Shape) -> list[str] | None:
    """The usual layout of a part; of classes that are claimed as rows of numbers, one for each class. None for another kind of array."""
    usual = parse_shape(entry.arrays[role])
    axes = [text for text in axes_in_letters(usual) if text != "1"]
    if claimed.kind == usual.kind:
        return axes
    if role != LABELS or claimed.kind not in (None, "real", "bool", "prob"):
        return None
    return axes if usual.below is None else [*axes, usual.below.text]


def _joined(own: Sequence[str], texts: set[str]) -> tuple[list[str], int]:
    """Axes without those of 1; the last ones as one where another array has their product, and from which axis on."""
    for start in range(1, len(own) - 1):
        product = "*".join(own[start:])
        if product in texts:
            return [*(text for text in own[:start] if text != "1"), product], start
    return [text for text in own if text != "1"], -1


def _longer_than_one(lengths: Sequence[int], count: int) -> list[int]:
    """So many lengths, ones left out from the front: a size may be 1 too."""
    kept = list(lengths)
    while len(kept) > count and 1 in kept:
        kept.remove(1)
    return kept


def parts_of(problem: LayerProblem, claims: LayerClaims) -> Mapping[str, Any]:
    """The arrays by the operation's names; what belongs to channels has an axis of 1 for each other axis of x."""
    found: dict[str, Any] = {}
    roles = roles_of(claims)
    for role, name in roles.items():
        array = problem.arrays[name]
        if role in ("gamma", "beta", "running_mean", "running_var") and "x" in roles:
            array = _spread(array, claims.shapes[name], claims.shapes[roles["x"]])
        found[role] = array
    return found


def _spread(array: Array, shape: Shape, like: Shape) -> Array:
    own = [text for text in axes_in_letters(shape) if text != "1"]
    over = axes_in_letters(like)
    if not set(own) <= set(over) or sorted(own, key=over.index) != own:
        return array
    sizes = dict(zip(own, [length for length, text in zip(array.shape, axes_in_letters(shape), strict=True) if text != "1"], strict=True))
    return array.reshape([sizes.get(text, 1) for text in over])


def axes_of_norm(claims: LayerClaims) -> tuple[int, ...]:
    """The axes of x over which statistics go: for batch norm those that gamma has not; else all but the samples'."""
    roles = roles_of(claims)
    if "x" not in roles or "gamma" not in roles:
        return (-1,)
    over, own = axes_in_letters(claims.shapes[roles["x"]]), axes_in_letters(claims.shapes[roles["gamma"]])
    if claims.operation == "batch_norm":
        return tuple(axis for axis, text in enumerate(over) if text not in own) or (0,)
    if claims.operation == "instance_norm":
        return tuple(axis for axis, text in enumerate(over) if text not in own and text != BATCH)
    return tuple(axis for axis, text in enumerate(over) if text in own) or (-1,)
