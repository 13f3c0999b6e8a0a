"""What a check is given, and what it gives back. A check asks through `Asking` and never starts a process."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray, element_of
from verifier.contracts.calling import Call, Read
from verifier.contracts.catalogue import calling_of, family_of
from verifier.oracles.finite_difference.problem import ProblemDifferences
from verifier.oracles.reference import Answered, Reference, refer_if_deciding
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.evaluation import Evaluation
from verifier.results.outcome import Measurement, Outcome
from verifier.results.report import Diagnosis
from verifier.tolerance import SOURCE, Comparison, compare, safety


class Unanswered(Exception):
    """A candidate gave no usable answer; the text says what, where (file and line where there is one), and on which problem.

    `fatal`: it will not answer any more (given up after too many deaths, or it does not load).
    `reason`: "not-judged" where there is nothing to ask, "not-done" where nothing is filled in yet; else "".
    `diagnosis`: the mistake that makes it unusable, where that is known.
    """

    def __init__(self, text: str, *, fatal: bool = False, reason: str = "", diagnosis: Diagnosis | None = None) -> None:
        super().__init__(text)
        self.fatal = fatal
        self.reason = reason
        self.diagnosis = diagnosis


class Asking(Protocol):
    """A way to ask the candidate. Every method raises Unanswered where there is no usable answer."""

    @property
    def functions(self) -> Collection[str]:
        """Names of the functions that the candidate has."""

    def gradients(self, problem: Problem, *, where: str) -> Evaluation:
        """Loss and gradients."""

    def call(self, problem: Problem, call: Call, read: Read, *, where: str) -> Any:
        """What one call answers, as `read` understands it."""

    def arguments_after(self, problem: Problem, *, where: str) -> Mapping[str, NDArray[Any]]:
        """The arguments' arrays, in the claimed layout, as they are after a call of the entry."""

    def losses(self, problem: Problem, direction: Mapping[str, FloatArray], steps: FloatArray, *, where: str) -> FloatArray:
        """φ(t) = loss(θ + t·v) for every step t; raises Unanswered where the candidate gives no loss."""


@dataclass(frozen=True)
class Item:
    """One problem of the corpus with its reference. `ordinary`: within the range where right textbook code keeps its digits."""

    index: int
    problem: Problem
    reference: Reference
    ordinary: bool = True

    @property
    def where(self) -> str:
        """Which problem this is, for a sentence."""
        return f"Network {self.index}: {self.problem.description}"


@dataclass(frozen=True)
class Examination:
    """One candidate before its checks: claims, problems, what it answered for them, and a way to ask more.

    `claims` are those of its contract. `evaluations` holds the answers of the `contract` check by problem index; a problem without an
    entry has no usable answer. `differences`: on how many problems the loss is differenced; `few`: how many are asked what needs few;
    `located`: how many failing ones differences look at closer: a fail needs no more, and each costs several times as much. `helpers` are
    functions that only share the name of an optional one.
    """

    claims: Any
    entry: str
    items: Sequence[Item]
    extreme: Sequence[Item]
    evaluations: Mapping[int, Evaluation]
    asking: Asking
    seed: int
    differences: int
    every_tensor: bool = False
    few: int = 10
    located: int = 3
    helpers: Collection[str] = ()

    @property
    def answered(self) -> list[Item]:
        """The ordinary problems with an answer."""
        return [item for item in self.items if item.index in self.evaluations]

    def answer_to(self, item: Item) -> Answered:
        """An answered problem with what the candidate answered."""
        return Answered(item.problem, item.reference, self.evaluations[item.index])


def reassessed(item: Item, claims: Any) -> Item | None:
    """A problem as other claims would have it, or None where it then decides nothing."""
    problem = family_of(item.problem.contract).under(item.problem, claims)
    if problem.program == item.problem.program:
        return item
    reference = refer_if_deciding(problem, seed=item.index)
    return None if reference is None else replace(item, problem=problem, reference=reference)


def outputs_call(examination: Examination, problem: Problem) -> Call | None:
    """The call that gives a problem's outputs, where the candidate has the function for it."""
    call = calling_of(problem.contract).optional_calls(problem, examination.claims).get("predict")
    return call if call is not None and call.function in examination.asking.functions else None


@dataclass(frozen=True)
class Differenced:
    """One problem and what finite differences say of it."""

    item: Item
    differences: ProblemDifferences


@dataclass(frozen=True)
class Finding:
    """A check's outcome, the comparisons that it rests on, and the mistake where the check itself shows which it is.

    `reason`: of an `error`, as `Unanswered` has it.
    `differenced`: every line along which a loss was differenced, for who weighs the witnesses.
    `equation`: the one of the first wrong stage, where the check compares stages.
    """

    outcome: Outcome
    measurements: tuple[Measurement, ...] = ()
    diagnosis: Diagnosis | None = None
    reason: str = ""
    differenced: tuple[Differenced, ...] = ()
    equation: str | None = None


def measured(check: str, item: Item, tensor: str, comparison: Comparison, source: str = SOURCE) -> Measurement:
    """A comparison as a record for the report."""
    return Measurement(
        check=check,
        problem=item.index,
        network=item.problem.description,
        tensor=tensor,
        error=comparison.error,
        tolerance=comparison.tolerance,
        source=source,
        status="pass" if comparison.within else "fail",
        claimed=comparison.claimed,
        reference=comparison.reference,
        index=comparison.index,
        resolves=comparison.resolves,
    )


def compared(
    check: str, item: Item, tensor: str, claimed: FloatArray, right: FloatArray, allowed: FloatArray, source: str = SOURCE
) -> list[Measurement]:
    """One tensor held to its tolerance, as a record; none for a tensor without elements."""
    comparison = compare(claimed, right, allowed)
    return [] if comparison is None else [measured(check, item, tensor, comparison, source)]


def compare_gradients(
    check: str,
    item: Item,
    claimed: Evaluation,
    right: Mapping[str, FloatArray],
    tolerance: Callable[[str], FloatArray],
    source: str = SOURCE,
) -> list[Measurement]:
    """Every gradient of an evaluation against the right one; what a step's own rounding can do to it is added to the tolerance."""
    found: list[Measurement] = []
    for name, gradient in claimed.gradients.items():
        found += compared(check, item, name, gradient, right[name], tolerance(name) + claimed.rounding.get(name, 0.0), source)
    return found


def own_rounding(item: Item, claimed: Evaluation) -> dict[str, FloatArray]:
    """What rounding can do to a gradient that is already wrong, by name: 0 where it agrees with the reference.

    A property of the candidate's own answers is then held to their size, not to that of the truth, which may be far smaller.
    """
    reference, dtype = item.reference, item.problem.dtype
    found = {}
    for name, gradient in claimed.gradients.items():
        right, allowed = reference.gradients[name], reference.gradient_tolerance(name)
        own = rounding_where_wrong(gradient, right, allowed, reference.longest, dtype)
        found[name] = np.broadcast_to(own, gradient.shape)
    return found


def rounding_where_wrong(gradient: FloatArray, right: FloatArray, allowed: FloatArray, longest: int, dtype: str) -> float:
    """What rounding can do to a gradient of this size, where it is not the right one; else 0."""
    error = np.abs(gradient - right)
    if not bool(np.any(error > allowed)):
        return 0.0
    return safety(longest) * machine_epsilon(dtype) * float(np.max(np.abs(gradient), initial=0.0))


def ratio(measurement: Measurement) -> float:
    """Error ÷ tolerance; infinite where either is not finite."""
    error, tolerance = measurement.error, measurement.tolerance
    if error is None or tolerance is None or not np.isfinite(error):
        return float("inf")
    if error == 0:
        return 0.0
    return error / tolerance if tolerance > 0 else float("inf")


def worst_of(measurements: Sequence[Measurement]) -> Measurement | None:
    """The measurement of largest error ÷ tolerance; of several that are not finite the first."""
    return max(measurements, key=ratio, default=None)


def concluded(
    check: str, measurements: Sequence[Measurement], *, passed: str, failed: Callable[[Measurement, int], str], notes: Sequence[str] = ()
) -> Finding:
    """The finding of a check whose measurements decide: fail where one does. `failed` words it from the worst and how many failed."""
    worst = worst_of(measurements)
    problems = len({measurement.problem for measurement in measurements})
    if worst is None:
        return Finding(Outcome(check, "skipped", "Nothing could be asked."))
    wrong = {measurement.problem for measurement in measurements if measurement.status == "fail"}
    powers = [one.resolves for one in measurements if one.resolves is not None]
    outcome = Outcome(
        id=check,
        status="fail" if wrong else "pass",
        message=failed(worst, len(wrong)) if wrong else passed,
        problems=problems,
        failed=len(wrong),
        error=worst.error,
        tolerance=worst.tolerance,
        tensor=worst.tensor,
        problem=worst.problem,
        # Not the best nor the worst: one large network that sees little must not speak for the run.
        resolves=float(median(powers)) if powers else None,
        notes=tuple(notes),
    )
    return Finding(outcome, tuple(measurements))


def without(examination: Examination, functions: Sequence[str], why: str, besides: str = "") -> str:
    """Why a check of these functions is not asked: what `why` says, or, after `besides`, that those of such names are helpers."""
    own = [f"`{name}`" for name in functions if name in examination.helpers]
    return f"{besides} {' and '.join(own)} {'are helpers' if len(own) > 1 else 'is a helper'} of its own.".lstrip() if own else why


def skipped(check: str, why: str) -> Finding:
    """A check that does not apply, and why."""
    return Finding(Outcome(check, "skipped", why))


def place(measurement: Measurement) -> str:
    """The worst element as its author would write it: `weights[1][0, 2]`."""
    return element_of(measurement.tensor, measurement.index)


def digits_apart(claimed: float | None, right: float | None) -> tuple[str, str]:
    """Two numbers in as many digits as tell them apart, four at least."""
    if claimed is None or right is None or not np.isfinite(claimed) or not np.isfinite(right):
        return _plain(claimed), _plain(right)
    for digits in range(4, 18):
        texts = f"{claimed:.{digits}g}", f"{right:.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return texts


def _plain(value: float | None) -> str:
    return "not finite" if value is None or not np.isfinite(value) else f"{value:.4g}"


# Checks that compare a candidate with another answer of its own: which of the two is right, they do not know.
OF_ITSELF = frozenset({"purity", "batch-additivity", "unit-permutation"})


def departs_most(worst: Measurement, wrong: int, problems: int) -> str:
    """The worst element with its numbers, and on how many of the networks something is wrong."""
    return f"{departs(worst)} Wrong on {wrong} of {problems} networks, worst on network {worst.problem} ({worst.network})."


def departs(measurement: Measurement) -> str:
    """`weights[1][0, 2] = -0.0811, should be -0.1621. Error 0.081, tolerance 4e-15 = 32 x rounding scatter.`"""
    claimed, right = digits_apart(measurement.claimed, measurement.reference)
    beside = "beside" if measurement.check in OF_ITSELF else "should be"
    if measurement.error is None or measurement.tolerance is None or not np.isfinite(measurement.error):
        return f"{place(measurement)} is {claimed}, {beside} {right}."
    return (
        f"{place(measurement)} = {claimed}, {beside} {right}. "
        f"Error {measurement.error:.2g}, tolerance {measurement.tolerance:.2g} = {measurement.source}."
    )
