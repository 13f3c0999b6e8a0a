"""What one question about an operation looks like, before numbers are drawn.

Square and unequal sizes are both asked: what is transposed by mistake raises where sizes differ, and stays silent where they are equal.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.arrays import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Form:
    """One question.

    Attributes:
        shapes: operands that are drawn from the operation's domain.
        arrays: further arrays with given values; those in `plain` are passed as they are (masks, labels).
        operands: in order, where they are not simply all arrays.
        fixed: whether the values are meant as they are, even at a kink.
    """

    feature: str
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    column: str = "plain"
    arrays: Mapping[str, Array] = field(default_factory=dict)
    plain: tuple[str, ...] = ()
    operands: tuple[str | float, ...] = ()
    fixed: bool = False
    slopes: tuple[float, float] | None = None


def pairs(feature: str, shapes: Iterable[tuple[Shape, Shape]], column: str = "plain") -> Iterator[Form]:
    """A form for each pair of shapes of two operands."""
    for a, b in shapes:
        yield Form(feature, {"a": a, "b": b}, column=column)


def at_values(feature: str, values: Array, options: Mapping[str, Any] | None = None, slopes: tuple[float, float] | None = None) -> Form:
    """The form of an operand with these very values, at an edge of what the operation is defined on."""
    return Form(feature, {}, options or {}, "edge", {"a": values}, fixed=True, slopes=slopes)
