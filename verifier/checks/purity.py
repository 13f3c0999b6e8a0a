"""`purity`: does the same call give the same answer whatever came between, and leave its arguments alone?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from verifier.checks.check import Check, Size
from verifier.checks.examination import Examination, Finding, Item, compare_gradients, concluded, departs, own_rounding, skipped
from verifier.contracts.catalogue import calling_of
from verifier.counting import counted
from verifier.results.evaluation import Evaluation
from verifier.results.outcome import Measurement, Outcome
from verifier.results.report import Diagnosis

ID = "purity"
SUMMARY = "the same call gives the same answer, and the arguments are left as they were"
SOURCE = "2 x (32 x rounding scatter): the same call again"
AT_ONCE = 6  # calls whatever the number of networks: a watched one, one that is read later with another, and layouts
LAYOUTS = ("fortran", "strided", "read-only")  # of the arguments, beside the promised one
_KEPT = Diagnosis(
    "state-kept-between-calls",
    "forward",
    "The same call answers differently the second time. Is something kept between calls (gradients that are never set to zero, a "
    "stored forward pass), or is there randomness (dropout)?",
)


def check(examination: Examination) -> Finding:
    """Ask again what was asked long before, and look at the arguments after a call."""
    finite = [item for item in examination.answered if _is_finite(examination.evaluations[item.index])]
    items = finite[:: max(1, len(finite) // examination.few)][: examination.few]
    if not items:
        return skipped(ID, "No problem has a finite answer.")
    found: list[Measurement] = []
    notes: list[str] = []
    for item in items:
        first = examination.evaluations[item.index]
        again = examination.asking.gradients(item.problem, where=item.where)
        after = examination.asking.arguments_after(item.problem, where=item.where)
        before = calling_of(item.problem.contract).values_of(item.problem, examination.claims)[1]
        changed = changed_arguments(before, after)
        if changed:
            return _changed(item, changed, len(items))
        own = own_rounding(item, first)
        allowed = {name: 2 * (item.reference.gradient_tolerance(name) + own[name]) for name in again.gradients}
        found += compare_gradients(ID, item, again, first.gradients, allowed.__getitem__, SOURCE)
        if not notes and any(again.gradients[n].tobytes() != first.gradients[n].tobytes() for n in again.gradients):
            notes.append(f"The last bits differ when the same call is repeated (network {item.index}).")
    finding = concluded(
        ID, found, passed=f"The same answers again on {counted(len(items), 'network')}, arguments unchanged.", failed=_failed, notes=notes
    )
    return replace(finding, diagnosis=_KEPT) if finding.outcome.status == "fail" else finding


def _is_finite(evaluation: Evaluation) -> bool:
    """NaN never equals NaN: an answer with one cannot be compared with itself."""
    return all(bool(np.isfinite(gradient).all()) for gradient in evaluation.gradients.values())


def changed_arguments(before: Mapping[str, NDArray[np.generic]], after: Mapping[str, NDArray[np.generic]]) -> list[str]:
    """Names of the arrays that are not byte for byte as they went in."""
    return [
        name
        for name, array in before.items()
        if name in after and (after[name].shape != array.shape or after[name].tobytes() != np.ascontiguousarray(array).tobytes())
    ]


def note_on_later_answers(item: Item, first: Evaluation, later: Evaluation) -> str:
    """A sentence where an answer, read later, is not what it was; else "". No fault: the contract does not ask for it."""
    moved = _departing(item, first, later)
    if not moved:
        return ""
    holds = "holds" if len(moved) == 1 else "hold"
    return (
        f"What it returns changes later: {', '.join(moved)} {holds} other numbers once it is called again or its arguments are written to "
        f"(problem {item.index}). It returns arrays that it keeps or was given: return copies."
    )


def note_on_layouts(item: Item, first: Evaluation, answers: Mapping[str, Evaluation | str | None]) -> str:
    """A sentence on layouts of memory of the arguments at which it raises or answers otherwise; "" where there is none.

    No fault: the contract promises arguments that are contiguous and can be written to.
    """
    parts = []
    for layout, answer in answers.items():
        if isinstance(answer, str):
            parts.append(f"{layout} ones raise {answer.rstrip('.')}")
        elif answer is not None and (moved := _departing(item, first, answer)):
            parts.append(f"with {layout} ones {', '.join(moved)} have other numbers")
    if not parts:
        return ""
    return f"It needs arguments that are contiguous and writable, as they are here: {'; '.join(parts)} (problem {item.index})."


def _departing(item: Item, first: Evaluation, other: Evaluation) -> list[str]:
    """The gradients of another answer to the same question that are not those of the first."""
    own = own_rounding(item, first)
    return [
        name
        for name, gradient in other.gradients.items()
        if np.any(np.abs(gradient - first.gradients[name]) > 2 * (item.reference.gradient_tolerance(name) + own[name]))
    ]


def _changed(item: Item, changed: Sequence[str], problems: int) -> Finding:
    text = (
        f"The call changes its arguments: {', '.join(changed)} have changed (network {item.index}: {item.problem.description}). "
        "Copy before you write, or assign instead of using += on what was passed in."
    )
    outcome = Outcome(ID, "fail", text, problems=problems, failed=1, tensor=changed[0], problem=item.index)
    return Finding(outcome, diagnosis=Diagnosis("changed-arguments", "update", text))


def _failed(worst: Measurement, wrong: int) -> str:
    where = counted(wrong, "network")
    return f"The same call answers differently the second time: {departs(worst)} On {where}."


def _calls(size: Size) -> float:
    return 2 * size.few + AT_ONCE


CHECK = Check(ID, SUMMARY, check, needs=frozenset({"gradients"}), headline=0, shrinkable=True, calls=_calls)
