"""A function and its claimed gradient over named arrays, as the examination asks them: NumPy arrays in, NumPy arrays out.

Whoever makes one (the plain form in `assertions`, PyTorch in `oracles.torch_functions`) hides how the function is really called.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.coarser import Seen
from verifier.oracles.functions.layouts import Layout

Arrays = Mapping[str, FloatArray]
Outputs = tuple[NDArray[np.floating], ...]


@dataclass(frozen=True)
class Claim:
    """What a gradient call gave.

    Attributes:
        gradients: by input name, float64; zeros where there was none.
        absent: inputs for which the function gave no gradient at all.
        changed: names of inputs, or "the cotangent", that were not as before after the call.
    """

    gradients: Arrays
    absent: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


class Ask(Protocol):
    """(inputs, cotangents, lifted) -> the claimed gradient of Σ cotangent · output, the cotangents laid out in this way."""

    def __call__(self, inputs: Arrays, cotangents: Sequence[FloatArray], lifted: bool, layout: Layout = "contiguous") -> Claim: ...


@dataclass(frozen=True)
class Differentiable:
    """A function with its claimed gradient at one point.

    Attributes:
        inputs: the point: what is differentiated, float64 arrays that hold numbers of the function's own type.
        epsilon: machine epsilon of the narrowest type among the inputs.
        values: (inputs, lifted) -> every real output; `lifted` asks for a computation in float64.
        coarsely: as `values`, with half of the digits in every result on the way (see `coarser`), and what was met there.
        claim: (inputs, cotangents, lifted) -> the claimed gradient of Σ cotangent · output; `lifted` as above.
        rounded: (inputs) -> the nearest inputs that the function's own types hold.
        takes_cotangent: whether the gradient is that of any projection; else there is one number, and it is that of it.
        complex_inputs: which inputs stand for complex numbers: their last axis holds real and imaginary part.
        cause: (inputs, cotangents) -> why a gradient is not finite, with the cure, where that can be seen; else "".
        zero_at: where a gradient is meant to be 0, whatever the function does.
        few_threads: within it the function is asked on no more threads than pay for so small arrays.
        narrow_inside: a sentence where the outputs have a narrower type than the inputs, else "".
    """

    inputs: Arrays
    epsilon: float
    values: Callable[[Arrays, bool], Outputs]
    coarsely: Callable[[Arrays, bool], tuple[Outputs, Seen]]
    claim: Ask
    rounded: Callable[[Arrays], Arrays]
    takes_cotangent: bool = True
    complex_inputs: frozenset[str] = frozenset()
    cause: Callable[[Arrays, Sequence[FloatArray]], str] = field(default=lambda inputs, cotangents: "")
    narrow_inside: str = ""
    zero_at: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    few_threads: Callable[[], AbstractContextManager[object]] = nullcontext


class UnusableGradientError(Exception):
    """The gradient cannot be held against anything: a wrong shape, a wrong number of arrays; the text says what and what is right."""
