"""What is known of an operation: how it is computed, over which values, where it has kinks, and what it takes beside its operands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import Array
from verifier.contracts.engine.graph import rounded

Kind = Literal["unary", "binary", "choice", "product", "reduction", "axis", "shape", "index", "write", "list", "loss", "labels", "layer"]
MARGIN = 1 / 64  # how far an operand keeps from a kink: far beyond rounding, in float32 too


@dataclass(frozen=True)
class Domain:
    """The values that an operand may have: [low, high] without the open interval (-hole, hole)."""

    low: float = -3.0
    high: float = 3.0
    hole: float = 0.0

    def draw(self, generator: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float64]:
        """Numbers of the domain, exact in float32."""
        if self.low < -self.hole and self.hole:
            sign = np.where(generator.random(tuple(shape)) < 0.5, -1.0, 1.0)
            size = generator.uniform(self.hole, min(-self.low, self.high), tuple(shape))
            return rounded(sign * size)
        low = max(self.low, self.hole) if self.hole else self.low
        return rounded(generator.uniform(low, self.high, tuple(shape)))

    def holds(self, values: Array) -> bool:
        """Whether every value lies in the domain, with the margins of `draw`."""
        sizes = np.abs(values)
        return bool(np.all((values >= self.low) & (values <= self.high) & (sizes >= self.hole)))


def meeting(domains: Sequence[Domain]) -> Domain:
    """The values that lie in all of the domains: for one value in several places."""
    return Domain(max(one.low for one in domains), min(one.high for one in domains), max(one.hole for one in domains))


REAL = Domain()
POSITIVE = Domain(0.2, 3.0)
NOT_ZERO = Domain(-3.0, 3.0, 0.3)


@dataclass(frozen=True)
class Operation:
    """One entry of the table.

    Attributes:
        name: PyTorch's, as the table of an engine's file has it.
        kind: which cases are asked about it, see `alone`.
        forward: the operation over NumPy arrays: operands by position, options by keyword. `table.value_of` makes it an array.
        domains: of each operand; the last one counts for all further ones.
        options: what it takes by keyword.
        required: options without a default.
        kinks: values of a unary operation's operand at which it is not differentiable, each with the least and the largest slope there.
        smooth: whether these operands keep away from every kink.
        points: values worth asking about exactly, where the derivative exists.
    """

    name: str
    kind: Kind
    forward: Callable[..., Any]
    domains: tuple[Domain, ...] = (REAL,)
    options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    kinks: Mapping[float, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))
    smooth: Callable[[Sequence[Array], Mapping[str, Any]], bool] = lambda operands, options: True
    points: tuple[float, ...] = ()

    def domain(self, position: int) -> Domain:
        """The values that the operand at this position may have."""
        return self.domains[min(position, len(self.domains) - 1)]

    def allows(self, operands: Sequence[Array], options: Mapping[str, Any]) -> bool:
        """Whether it is differentiable, with some room, at these operands."""
        if not all(self.domain(position).holds(operand) for position, operand in enumerate(operands)):
            return False
        kinked = any(np.any(np.abs(operand - kink) < MARGIN) for kink in self.kinks for operand in operands)
        return not kinked and self.smooth(operands, options)
