"""The second oracle: any PyTorch function's answer in float64, what rounding can do to it, and whether the point is near a kink.

Nothing is known of the function. It runs under a dispatch mode (`arithmetic`) that multiplies every floating result of every ATen
operation, forward and backward, by 1 + uξ, ξ uniform on [-1, 1]; u is 2⁻⁴⁰, or the machine epsilon of the candidate's type where that is
larger. The largest departure from the exact run, divided by u and times that epsilon, is the scatter: the textbook's Monte Carlo
arithmetic (`oracles.scatter`) for code that nobody wrote a textbook of. Like there, further copies share their noise among rows or
altogether, and one adds an absolute 2⁻⁶⁰ξ, for underflow. Where noise of 2⁻⁴⁰ changes a number by more than a 64th (the directions that a
singular matrix leaves open turn by any angle at any noise), two copies with noise of the type's own size count as they are.

Two more runs ask for decisions: with noise as large as the tolerance, once ξ and once -ξ, and the differentiated inputs moved too, zeros
included. An integer, a boolean or a step that comes out otherwise in any copy is a decision within rounding: a kink, or a tie.
Source: CESTAC (Vignes 1978), Monte Carlo arithmetic (Parker 1997).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from verifier.arrays import Array
from verifier.oracles.dispatched.arithmetic import Arithmetic, Decisions
from verifier.oracles.dispatched.noise import Noise, Sharing, Size
from verifier.oracles.dispatched.running import Answer, Call, Cotangents, Given, run
from verifier.tolerance import SAFETY, element_tolerance

COPIES = 4
RELATIVE = 2.0**-40
UNDERFLOW = 2.0**-60
# Of a number, by noise of 2⁻⁴⁰: an amplification of 2³⁴, beyond which a departure need not shrink with the noise.
SATURATED = 2.0**-6
AS_ROUNDED = 2  # copies with noise of the type's own size, where larger noise saturates
# A probe's noise is this many times what the tolerance allows: of a decision that right code may take otherwise nearly all are seen.
PROBE = 4.0
# How many tolerances primitives in float64 may be from the operation that they are made of before they count as wrong.
DISAGREES = 4.0


@dataclass(frozen=True)
class DispatchedReference:
    """What a reference says at a point; arrays in float64 or complex128, by name.

    Attributes:
        outputs: "output", or "output[0]", "output['loss']" where there are several.
        gradients: of Σ cotangent · output, by the names that were differentiated; zeros where no output depends on one.
        output_scatter: what last-bit errors everywhere do to an output, for the candidate's type; infinite where a copy was not finite.
        gradient_scatter: the same of a gradient.
        kinks: operations that decided otherwise within rounding, or are tied; empty where the function is smooth there.
        absent: differentiated names that no output depends on.
        longest: terms of the longest sum that was met.
        notes: what should be known of the measurement, a clause each.
    """

    outputs: Mapping[str, Array]
    gradients: Mapping[str, Array]
    output_scatter: Mapping[str, NDArray[np.float64]]
    gradient_scatter: Mapping[str, NDArray[np.float64]]
    kinks: tuple[str, ...]
    absent: tuple[str, ...]
    longest: int
    notes: tuple[str, ...]

    def output_tolerance(self, name: str) -> NDArray[np.floating]:
        """The tolerance of each element of an output, in the output's unit."""
        return element_tolerance(self.output_scatter[name], self.longest)

    def gradient_tolerance(self, name: str) -> NDArray[np.floating]:
        """The tolerance of each element of an input's gradient, in the gradient's unit."""
        return element_tolerance(self.gradient_scatter[name], self.longest)


def measure(
    call: Call,
    tensors: Mapping[str, Tensor],
    cotangents: Cotangents = None,
    *,
    differentiate: Sequence[str],
    dtype: torch.dtype = torch.float64,
    copies: int = COPIES,
    seed: int = 0,
    least: bool = False,
) -> DispatchedReference:
    """The reference's answer at a point, with its scatter for a candidate of this type.

    Args:
        call: from tensors by name to a tensor, or to any nest of tuples, lists and dictionaries with tensors in it.
        tensors: the point, in any type; floating ones are lifted to float64, each run gets its own.
        cotangents: one for each floating output, in order (None: not used); None where the only output is a number, whose is 1.
        differentiate: names of tensors.
        dtype: the candidate's, whose rounding the scatter is for.
        copies: how many with noise of each element's own.
        seed: of the noise.
        least: one copy alone, and no kinks: its scatter is at most the whole one, and what is right by it is right.
    Raises:
        UndispatchableError: the function cannot be run so, or not be differentiated.
    """
    given = Given(call, tensors, cotangents, tuple(differentiate))
    limits = torch.finfo(dtype)
    whole = Arithmetic(None, Decisions(), given.generators, decompose=False)
    answer = run(given, whole)
    sizes = _sizes(1 if least else copies, limits)[: 1 if least else None]
    found = _disturbed(given, limits, sizes, seed, decompose=True, probes=not least)
    notes: tuple[str, ...] = ()
    if found.decomposed and not found.explains(answer, torch.finfo(torch.float64).eps / limits.eps):
        found = _disturbed(given, limits, sizes, seed, decompose=False, probes=not least)
        notes = ("operations were not taken apart: PyTorch's primitives for one of them compute something else",)
    return DispatchedReference(
        answer.outputs, answer.gradients, found.outputs, found.gradients, tuple(found.kinks), answer.absent, found.longest, notes
    )


@dataclass(frozen=True)
class _Disturbed:
    """What the disturbed runs show, around the exact one in the same primitives."""

    exact: Answer
    outputs: Mapping[str, NDArray[np.float64]]
    gradients: Mapping[str, NDArray[np.float64]]
    kinks: tuple[str, ...]
    longest: int
    decomposed: bool

    def explains(self, whole: Answer, narrower: float) -> bool:
        """Whether rounding in float64 alone sets the primitives apart from the operations that they are made of."""
        pairs = [(self.exact.outputs, whole.outputs, self.outputs), (self.exact.gradients, whole.gradients, self.gradients)]
        return all(
            _within(one[name], other[name], DISAGREES * narrower * element_tolerance(scatter[name], self.longest))
            for one, other, scatter in pairs
            for name in other
        )


def _within(one: Array, other: Array, tolerance: NDArray[np.floating]) -> bool:
    with np.errstate(all="ignore"):
        apart = np.abs(one - other)
    return bool(np.all((apart <= tolerance) | (one == other) | (np.isnan(one) & np.isnan(other))))


def _disturbed(
    given: Given, limits: torch.finfo, sizes: Sequence[tuple[Size, float]], seed: int, *, decompose: bool, probes: bool
) -> _Disturbed:
    decisions = Decisions()
    mode = Arithmetic(None, decisions, given.generators, decompose=decompose)
    exact = run(given, mode)
    largest = ({name: np.zeros(value.shape) for name, value in part.items()} for part in (exact.outputs, exact.gradients))
    outputs, gradients = largest
    kinks: dict[str, None] = {}

    def disturb(noise: Noise, *, move: bool = False) -> Answer:
        later = Decisions(decisions)
        copy = run(given, Arithmetic(noise, later, given.generators, decompose=decompose), move=noise if move else None)
        later.end()
        if noise.size.relative:
            kinks.update(later.differing)
        return copy

    def widen(number: int, size: Size, scale: float) -> None:
        copy = disturb(Noise(size, seed * 1_000_003 + number))
        _widen(outputs, exact.outputs, copy.outputs, scale, finite=not size.relative)
        _widen(gradients, exact.gradients, copy.gradients, scale, finite=not size.relative)

    for number, (size, scale) in enumerate(sizes):
        widen(number, size, scale)
    if probes and limits.eps < RELATIVE and _is_saturated(exact, outputs, gradients, limits.eps / RELATIVE):
        for number in range(len(sizes), len(sizes) + AS_ROUNDED):
            widen(number, Size(limits.eps), 1.0)
    for sign in (1.0, -1.0) if probes else ():
        disturb(Noise(Size(sign * PROBE * SAFETY * limits.eps), seed * 1_000_003 - 1), move=True)
    return _Disturbed(exact, outputs, gradients, tuple(kinks), mode.longest, mode.decomposed)


def _is_saturated(exact: Answer, outputs: Mapping[str, Array], gradients: Mapping[str, Array], scale: float) -> bool:
    """Whether the noise, larger than the type's rounding, leaves so little of a number that its departure says nothing of smaller noise.

    The directions that a singular matrix leaves open turn by any angle at any noise: a departure of 1 is not one of 2^-12 at less noise.
    """
    pairs = [(exact.outputs, outputs), (exact.gradients, gradients)]
    with np.errstate(all="ignore"):
        return any(
            not (float(np.max(one[name] / scale, initial=0.0)) <= SATURATED * float(np.abs(right).max(initial=0.0)))
            for answers, one in pairs
            for name, right in answers.items()
            if right.any()
        )


def _sizes(copies: int, limits: torch.finfo) -> list[tuple[Size, float]]:
    """The noise of each copy, and what its departures are multiplied with.

    What cancels twice, (a/a - 1)², is of second order: noise smaller than the type's own would make too little of it.
    """
    size = max(RELATIVE, limits.eps)
    scale = limits.eps / size
    return [
        *((Size(size), scale) for _ in range(copies)),
        (Size(size, sharing=Sharing.ROWS), scale),
        (Size(size, sharing=Sharing.ALL), scale),
        (Size(0.0, additive=UNDERFLOW), limits.smallest_normal / UNDERFLOW),
    ]


def _widen(
    largest: dict[str, NDArray[np.float64]], exact: Mapping[str, Array], copy: Mapping[str, Array], scale: float, *, finite: bool
) -> None:
    """The largest departures so far, with this copy's; one that is not finite counts as infinite, or with `finite` not at all."""
    for name, right in exact.items():
        with np.errstate(all="ignore"):
            departure = np.abs(copy[name] - right) * scale
        same = (copy[name] == right) | (np.isnan(copy[name]) & np.isnan(right))  # infinities too
        departure = np.where(same, 0.0, np.where(np.isfinite(departure), departure, 0.0 if finite else np.inf))
        np.maximum(largest[name], departure, out=largest[name])
