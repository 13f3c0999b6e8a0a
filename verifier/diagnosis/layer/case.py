"""What a diagnosis of a layer knows of one problem: what was claimed, and every derivative of every output, by differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.checks.layer.parts import Lying
from verifier.contracts.layer.drawing import LayerProblem

IntArray = NDArray[np.int64]
# Of the largest element: what differences of an ordinary function are right to, of float64 and float32; it names, and decides nothing.
CLOSE = {"float64": 2.0**-20, "float32": 2.0**-11}
LOOSE = 10.0  # times this: a coefficient that is fitted to them
SHOWN = 1e-3  # of the same: a gradient below it, such as batch norm's of two samples, says little of a factor


@dataclass(frozen=True)
class Case:
    """One problem on which a gradient was found wrong.

    Attributes:
        values: sizes and options by name.
        arrays: the problem's real arrays; `indices` its whole numbers, and `below` what each stays below.
        claimed: by array; those that have their array's shape.
        jacobians: by array, ∂output/∂element, shape (elements of all outputs, elements of the array).
        cotangent: of all outputs, one after another.
        shape: of the output, where there is one; `shapes` of each.
        cotangent_of: by output's cotangent as backward names it, where its part of the whole cotangent lies.
        operation: the catalogue's name, or "".
        parts: by the operation's names, the arrays as its formulas take them; `part_of` says which array is which part.
        lying: by part, how it lies beside the operation's usual layout, where formulas take that (windows); `parts` are in it.
        axes: over which the operation normalises.
        variants: what right code of this operation may choose, by parameter.
        inside: the type that it computes in.
        outputs: in their shape, where there is one; empty where there are several.
        problem: of which this is the case, to be asked again.
        scaled: by a factor of the cotangent, what is claimed then; nothing where backward reads none.
    """

    values: Mapping[str, Any]
    arrays: Mapping[str, FloatArray]
    claimed: Mapping[str, FloatArray]
    jacobians: Mapping[str, FloatArray]
    cotangent: FloatArray
    shape: tuple[int, ...]
    cotangent_of: Mapping[str, slice] = field(default_factory=dict)
    operation: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)
    part_of: Mapping[str, str] = field(default_factory=dict)
    lying: Mapping[str, Lying] = field(default_factory=dict)
    axes: tuple[int, ...] = (-1,)
    variants: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = ((),)
    inside: str = "float64"
    outputs: FloatArray = field(default_factory=lambda: np.zeros(0))
    scaled: Mapping[float, Mapping[str, FloatArray]] = field(default_factory=dict)
    indices: Mapping[str, IntArray] = field(default_factory=dict)
    below: Mapping[str, int] = field(default_factory=dict)
    problem: LayerProblem | None = None

    @property
    def closeness(self) -> float:
        """How near two numbers are that differences cannot tell apart, relative to the largest."""
        return CLOSE[self.inside]

    @cached_property
    def right(self) -> Mapping[str, FloatArray]:
        """The gradients by differences."""
        return {name: self.under(name, self.cotangent) for name in self.jacobians}

    def under(self, name: str, cotangent: FloatArray) -> FloatArray:
        """The gradient that another cotangent would give."""
        return (cotangent @ self.jacobians[name]).reshape(self.arrays[name].shape)

    def scale(self, name: str) -> float:
        """What an element of the gradient could be at most if nothing cancelled."""
        return max(float(np.abs(self.jacobians[name]).max(initial=0.0)) * float(np.abs(self.cotangent).max(initial=0.0)), 1e-300)

    def shows(self, name: str) -> bool:
        """Whether the right gradient is more than what is left where everything cancels."""
        return float(np.abs(self.right[name]).max(initial=0.0)) > SHOWN * self.scale(name)

    def close(self, name: str, one: FloatArray, other: FloatArray, *, times: float = 1.0) -> bool:
        """Whether two gradients of an array are one within what differences resolve, or so many times that."""
        if one.shape != other.shape:
            return False
        largest = max(self.scale(name), float(np.abs(other).max(initial=0.0)))
        return bool(np.all(np.abs(one - other) <= times * self.closeness * largest))

    def wrong(self, name: str) -> bool:
        """Whether what is claimed of an array is not what differences give."""
        return not self.close(name, self.claimed[name], self.right[name])

    def clearly_wrong(self, name: str) -> bool:
        """Whether it is wrong by much more than differences resolve: what they barely see is related to anything."""
        return not self.close(name, self.claimed[name], self.right[name], times=LOOSE)
