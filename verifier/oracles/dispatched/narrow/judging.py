"""Whether outputs and gradients in bfloat16 or float16 are right, and in which precision they were computed.

Rounding in such a type is no small disturbance, so no factor times a scatter bounds it. The function runs sixteen times with noise of half
an ulp at each store, at its true size, and once rounding to nearest (random noise has no bias; hardware's rounding has). Right code is
one more such copy: its four statistics stay within `LIMITS` times the largest of theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from verifier.oracles.dispatched.arithmetic import Arithmetic, Decisions
from verifier.oracles.dispatched.narrow.statistics import Yardstick, yardstick
from verifier.oracles.dispatched.narrow.stores import Grid, Precision, Stores
from verifier.oracles.dispatched.noise import Sharing
from verifier.oracles.dispatched.running import Answer, Call, Cotangents, Given, run, to_array

COPIES = 16
ORDER = (Precision.KERNEL, Precision.OPERANDS, Precision.EAGER, Precision.ACCUMULATE)
"""The precisions from the most exact to the least: the first that a tensor fits is its own."""
TF32 = (Precision.OPERANDS,)
"""What is asked of float32: only whether the operands of products were rounded to TF32. All else goes by scatter."""


@dataclass(frozen=True)
class NarrowOutcome:
    """What is said of one tensor.

    Attributes:
        status: "right"; "other precision": right, but computed in less than was declared, or with sums in the narrow type; "wrong";
            "undecided": the right value is not finite, or the noise as large as the value.
        fits: the first precision whose limits it keeps.
        ratio: its worst statistic ÷ limit, under `fits` or, where there is none, under what was declared (or `eager`).
        statistic: which that is: element, row, column or slope.
        says: in words.
        right, tolerance: the value in float64 and what each element of right code may be off by, where that was measured.
    """

    status: str
    fits: Precision | None
    ratio: float
    statistic: str
    says: str
    right: NDArray[Any] | None = None
    tolerance: NDArray[Any] | None = None


def judge_narrow(
    call: Call,
    tensors: Mapping[str, Tensor],
    cotangents: Cotangents,
    claimed: Mapping[str, Tensor | NDArray[Any]],
    *,
    differentiate: Sequence[str],
    dtype: torch.dtype,
    precision: Precision | str | None = None,
    copies: int = COPIES,
    seed: int = 0,
    alike: bool = False,
) -> dict[str, NarrowOutcome]:
    """The outcome of each claimed tensor.

    Args:
        call, tensors, cotangents, differentiate: as `measuring.measure` takes them.
        claimed: outputs ("output", "output[0]", …) and gradients by name, in the types in which the candidate gave them; an array, which
            has no such type, counts as narrow where all its numbers are, else as float32.
        dtype: the narrow type of the stores: bfloat16 or float16; of float32 only TF32's operands are asked.
        precision: the declared one; without it whatever fits short of `accumulate` is right.
        alike: whether all rows of the point are equal, and so rounded alike.
    Raises:
        UndispatchableError: the reference cannot be run so.
    """
    yardsticks = Yardsticks(Given(call, tensors, cotangents, tuple(differentiate)), dtype, copies, seed, alike=alike)
    declared = None if precision is None else Precision(precision)
    return {name: judge_against(yardsticks, name, tensor, declared) for name, tensor in claimed.items()}


class Yardsticks:
    """The yardsticks of a point by precision, each measured when it is first asked for."""

    def __init__(self, given: Given, dtype: torch.dtype, copies: int = COPIES, seed: int = 0, *, alike: bool = False) -> None:
        self.dtype, self._sharing = dtype, Sharing.ROWS if alike else Sharing.NONE
        self._given, self._copies, self._seed = given, copies, seed
        self.right = _named(run(given, Arithmetic(None, Decisions(), given.generators, decompose=False)))
        self._runs: dict[Precision, list[tuple[Stores, dict[str, NDArray[Any]]]]] = {}
        self._known: dict[tuple[str, Precision, torch.dtype], Yardstick] = {}

    def of(self, name: str, precision: Precision, kept: torch.dtype) -> Yardstick:
        """That of an output or a gradient, which its owner keeps in this type."""
        if precision is Precision.OPERANDS and self._contracts_nothing():
            precision = Precision.KERNEL
        key = (name, precision, kept)
        if key not in self._known:
            copies = self.copies(name, precision, kept)
            self._known[key] = yardstick(self.right[name], copies[: self._copies], *copies[self._copies :])
        return self._known[key]

    def copies(self, name: str, precision: Precision, kept: torch.dtype) -> list[NDArray[Any]]:
        """The tensor as each copy has it, stored in this type: those with noise, then to the nearest, then cut where digits may be."""
        if precision not in self._runs:
            self._runs[precision] = [self._run(precision, seed) for seed in (*range(self._copies), None)]
            if self.dtype is torch.float32:
                self._runs[precision].append(self._run(precision, None, cut=True))
        return [
            stores.store(torch.from_numpy(np.ascontiguousarray(values[name])), kept).numpy().reshape(values[name].shape)
            for stores, values in self._runs[precision]
        ]

    def _contracts_nothing(self) -> bool:
        """Whether the kernel's copies are known, and met no operands that `operands` would round."""
        known = self._runs.get(Precision.KERNEL, [])
        return bool(known) and not any(stores.contracts for stores, _ in known)

    def is_nearest(self, name: str, claimed: NDArray[Any], kept: torch.dtype) -> bool:
        """Whether these are the right numbers, rounded once to the nearest: then no copy needs to be run."""
        if kept is not self.dtype or not np.isfinite(claimed).all():
            return False
        return bool((Grid(kept).nearest(torch.from_numpy(self.right[name])).numpy() == claimed).all())

    def _run(self, precision: Precision, seed: int | None, *, cut: bool = False) -> tuple[Stores, dict[str, NDArray[Any]]]:
        first = None if seed is None else self._seed * 1_000_003 + 2 * seed
        stores = Stores(self.dtype, precision, first, cut=cut, sharing=self._sharing)
        mode = Arithmetic(stores, Decisions(), self._given.generators, decompose=precision.decomposed)
        return stores, _named(run(self._given, mode))


def _named(answer: Answer) -> dict[str, NDArray[Any]]:
    return {**answer.outputs, **answer.gradients}


def judge_against(yardsticks: Yardsticks, name: str, tensor: Tensor | NDArray[Any], declared: Precision | None) -> NarrowOutcome:
    """The outcome of one claimed tensor."""
    claimed = to_array(torch.as_tensor(tensor))
    kept = tensor.dtype if isinstance(tensor, Tensor) else _type_of(claimed, yardsticks.dtype)
    if claimed.shape != yardsticks.right[name].shape:
        says = f"{name} has shape {claimed.shape}, but should have {yardsticks.right[name].shape}."
        return NarrowOutcome("wrong", None, float("inf"), "element", says)
    if not np.isfinite(yardsticks.right[name]).all():
        return NarrowOutcome("undecided", None, float("nan"), "element", f"the right {name} is not finite.")
    narrow = str(yardsticks.dtype).removeprefix("torch.")
    if yardsticks.dtype is not torch.float32 and yardsticks.is_nearest(name, claimed, kept):
        says = f"{name} is right, computed in {narrow} by {Precision.KERNEL}."
        right = yardsticks.right[name]
        room = Grid(kept).half_ulp(torch.from_numpy(right)).numpy()
        return NarrowOutcome("right", Precision.KERNEL, 0.0, "element", says, right, room)
    found: dict[Precision, tuple[float, str]] = {}
    order = TF32 if yardsticks.dtype is torch.float32 else ORDER
    allowed = TF32 if yardsticks.dtype is torch.float32 else ORDER[: ORDER.index(Precision.EAGER if declared is None else declared) + 1]
    for precision in (*allowed, *order[len(allowed) :]):
        measured = yardsticks.of(name, precision, kept)
        if claimed.size and not measured.judged.any():
            return NarrowOutcome("undecided", None, float("nan"), "element", f"{name} overflows in {narrow} ({precision}).")
        found[precision] = measured.ratio(claimed)
        ratio, statistic = found[precision]
        if ratio > 1:
            continue
        allowed_each = measured.limits.element * measured.deviation
        if precision in allowed:
            says = f"{name} is right, computed in {narrow} by {precision}."
            return NarrowOutcome("right", precision, ratio, statistic, says, measured.right, allowed_each)
        says = f"{name} has the right formula, but accumulates in {narrow}: its error is that of sums, or of steps inside, in that type."
        if precision is not Precision.ACCUMULATE:
            says = f"{name} is right, but not in the precision declared ({declared}): its error is that of {precision}."
        return NarrowOutcome("other precision", precision, ratio, statistic, says, measured.right, allowed_each)
    ratio, statistic = found[allowed[-1]]
    says = f"{name} is wrong: its {statistic} is {ratio:.2g} times what right code reaches in {narrow} ({allowed[-1]})."
    measured = yardsticks.of(name, allowed[-1], kept)
    unfinished = int(np.count_nonzero(~np.isfinite(claimed) & measured.judged))
    if unfinished:
        says = f"{name} is wrong: {unfinished} of {claimed.size} elements are NaN or infinite in {narrow}, where right code has numbers."
    return NarrowOutcome("wrong", None, ratio, statistic, says, measured.right, measured.limits.element * measured.deviation)


def _type_of(values: NDArray[Any], narrow: torch.dtype) -> torch.dtype:
    wide = torch.from_numpy(values)
    return narrow if torch.equal(torch.nan_to_num(wide.to(narrow).to(wide.dtype)), torch.nan_to_num(wide)) else torch.float32
