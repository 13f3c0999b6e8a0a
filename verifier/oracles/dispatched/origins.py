"""Where the numbers of a run come from, as far as that says how exact they are.

What is made of whole numbers by adding, multiplying and choosing is whole, and exact in every type: floor(x) + 1 is below a length or it
is not. And what a function makes of nothing but its own numbers in single precision (the angles of positions) is as exact as it says,
however narrow its arguments are. Both are known by the storage, which views share.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch._ops import OpOverload

from verifier.oracles.dispatched.operations import Kind

OWN = torch.float32  # in float64, which arguments are lifted to, nothing tells the function's own type from theirs
_ROUNDING = frozenset(["floor", "ceil", "round", "trunc", "floor_divide"])
_EXACT = frozenset(["add", "sub", "rsub", "mul", "arange"])


@dataclass(frozen=True)
class Origin:
    """Of the results of one operation.

    Attributes:
        whole: whether they are whole numbers, of whole numbers or rounded to them.
        own: whether they are made of nothing but the function's own numbers in single precision.
        mixed: in that case, whether neither an operand nor the call names the type: whole numbers may become real ones of any.
    """

    whole: bool
    own: bool
    mixed: bool = False

    def as_typed(self, results: Iterable[Tensor]) -> "Origin":
        """With the type in which the results came, before they are lifted."""
        if not (self.own and self.mixed):
            return self
        return replace(self, own=all(one.dtype is OWN for one in results))


class Origins:
    """What is known of the storages of one run."""

    def __init__(self) -> None:
        self._whole: set[int] = set()
        self._own: set[int] = set()

    def is_own(self, value: Tensor) -> bool:
        """Whether it belongs to the function alone; what the function brings along is not lifted yet."""
        return not value.is_floating_point() or value.dtype is OWN or _storage(value) in self._own

    def of_results(
        self, operation: OpOverload, kind: Kind, operands: Sequence[Tensor], arguments: Sequence[object], asked: torch.dtype | None
    ) -> Origin:
        """What an operation makes of these operands; `asked` is the type that its call names."""
        name = str(operation._schema.name).split("::")[1].removesuffix("_")
        real = [one for one in operands if one.is_floating_point() or one.is_complex()]
        own = asked in (None, OWN) and all(map(self.is_own, real))
        return Origin(self._is_whole(name, kind, operands, real, arguments), own, mixed=asked is None and not real)

    def _is_whole(self, name: str, kind: Kind, operands: Sequence[Tensor], real: Sequence[Tensor], arguments: Sequence[object]) -> bool:
        if name in _ROUNDING or (name == "_to_copy" and not real):
            return True
        if not (name in _EXACT or (kind is Kind.MOVES and real)) or (real and not self._whole):
            return False
        known = all(_storage(one) in self._whole for one in real)
        return known and all(one.is_integer() for one in arguments if isinstance(one, float))

    def note(self, value: Tensor, origin: Origin) -> None:
        """Remember it of a result, or forget what was in its place before."""
        if origin.whole or origin.own or self._whole or self._own:
            place = _storage(value)
            for known, holds in ((self._whole, origin.whole), (self._own, origin.own)):
                (known.add if holds else known.discard)(place)


def _storage(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()
