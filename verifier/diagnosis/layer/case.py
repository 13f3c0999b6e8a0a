"""What a diagnosis of a layer knows of one problem: what was claimed, and every derivative of every output, by differences."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from verifier.results.evaluation import FloatArray

CLOSE = 2.0**-20  # of the largest element: what differences of an ordinary function are right to; it names, and decides nothing


@dataclass(frozen=True)
class Case:
    """One problem on which a gradient was found wrong.

    Attributes:
        values: sizes and options by name.
        arrays: the problem's real arrays.
        claimed: by array; those that have their array's shape.
        jacobians: by array, ∂output/∂element, shape (elements of all outputs, elements of the array).
        cotangent: of all outputs, one after another.
        shape: of the output, where there is one.
    """

    values: Mapping[str, Any]
    arrays: Mapping[str, FloatArray]
    claimed: Mapping[str, FloatArray]
    jacobians: Mapping[str, FloatArray]
    cotangent: FloatArray
    shape: tuple[int, ...]

    @cached_property
    def right(self) -> Mapping[str, FloatArray]:
        """The gradients by differences."""
        return {name: self.under(name, self.cotangent) for name in self.jacobians}

    def under(self, name: str, cotangent: FloatArray) -> FloatArray:
        """The gradient that another cotangent would give."""
        return (cotangent @ self.jacobians[name]).reshape(self.arrays[name].shape)

    def close(self, name: str, one: FloatArray, other: FloatArray) -> bool:
        """Whether two gradients of an array are one within what differences resolve."""
        if one.shape != other.shape:
            return False
        scale = max(float(np.abs(self.jacobians[name]).max(initial=0.0)) * float(np.abs(self.cotangent).max(initial=0.0)), 1e-300)
        largest = max(scale, float(np.abs(other).max(initial=0.0)))
        return bool(np.all(np.abs(one - other) <= CLOSE * largest))

    def wrong(self, name: str) -> bool:
        """Whether what is claimed of an array is not what differences give."""
        return not self.close(name, self.claimed[name], self.right[name])
