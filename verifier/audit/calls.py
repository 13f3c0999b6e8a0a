"""One call of a hand-written backward pass, as plain arrays: what went in, what came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.arrays import Array

Layout = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """What was seen of a call.

    Attributes:
        outputs: names of the gradients, as the input of the forward pass that each belongs to.
        gradients: what came back; None where nothing did.
        inputs: beside each gradient its input, None where it is not known.
        cotangents: what went in; None where it is no real array.
        layouts: of each cotangent the strides, in elements; None where it has no memory of its own kind.
        options: what else the forward pass was given.
        previous: by position, the gradients of the call before in the same test.
    """

    outputs: tuple[str, ...]
    gradients: tuple[Array | None, ...]
    inputs: tuple[Array | None, ...]
    cotangents: tuple[Array | None, ...]
    layouts: tuple[Layout | None, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    previous: tuple[Array | None, ...] = ()

    @property
    def batch(self) -> int | None:
        """The first size of the first cotangent that has one, or of the first input."""
        for array in (*self.cotangents, *self.inputs):
            if array is not None and array.ndim:
                return int(array.shape[0])
        return None

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes of inputs, cotangents and gradients, each array's in order."""
        return tuple(size for array in (*self.inputs, *self.cotangents, *self.gradients) if array is not None for size in array.shape)

    @property
    def rank(self) -> int | None:
        """Of the first input (of the first gradient, where no input is known)."""
        return next((array.ndim for array in (*self.inputs, *self.gradients) if array is not None), None)
