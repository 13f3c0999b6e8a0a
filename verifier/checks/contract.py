"""`contract`: does the candidate answer every problem, in the form that its manifest claims?"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from verifier.checks.check import Check
from verifier.checks.examination import Asking, Finding, Item, Unanswered
from verifier.counting import counted
from verifier.results.evaluation import Evaluation
from verifier.results.outcome import Outcome
from verifier.results.report import Diagnosis

ID = "contract"
SUMMARY = "the candidate loads, and answers every problem with the right number of arrays and elements"
SHOWN_NOTES = 3
CALLED = "It was called as"  # in the words on an exception
NUMBERS = re.compile(r"\d+")


class Interviewed(Asking, Protocol):
    """Asking that counts: a candidate that dies too often is given up."""

    @property
    def deaths_left(self) -> int:
        """How many more times it may die; at the last it is given up."""


@dataclass
class _Asked:
    """What came of the problems so far: unusable answers by problem, and what became of those that do not decide."""

    evaluations: dict[int, Evaluation] = field(default_factory=dict)
    asked: int = 0
    extreme: int = 0  # of these
    never_asked: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    diagnoses: dict[int, tuple[int, Diagnosis]] = field(default_factory=dict)  # with the number of the problem's arrays
    deaths: list[str] = field(default_factory=list)
    spared: int = 0


def ask_all(
    asking: Interviewed, items: Sequence[Item], before: Callable[[Item, int], None], known: Mapping[int, Evaluation] | None = None
) -> tuple[Finding, Mapping[int, Evaluation]]:
    """Ask for every problem's gradients: the outcome, and the answers that can be used, by problem index.

    Saturated networks decide nothing, so no candidate is given up for dying on them: with one life left it is not asked about more of them,
    and a note tells how many. `before` is called with each problem before it is asked, and how many that makes.
    `known`: what is answered already, by problem index.
    """
    known = known or {}
    found = _Asked()
    for position, item in enumerate(items):
        left = asking.deaths_left
        if left <= 1 and not item.ordinary:
            found.spared += 1
            continue
        found.asked += 1
        found.extreme += not item.ordinary
        before(item, found.asked)
        try:
            answer = known.get(item.index)
            found.evaluations[item.index] = answer or asking.gradients(item.problem, where=item.where)
        except Unanswered as error:
            if item.ordinary or error.fatal:
                found.errors.append((item.index, str(error)))
                found.reasons.add(error.reason)
                if error.diagnosis is not None:
                    found.diagnoses[item.index] = len(item.problem.arrays), error.diagnosis
            elif asking.deaths_left < left:
                found.deaths.append(str(error))
            if error.fatal:
                found.never_asked = len(items) - position - 1
                break
    # One branch that is not filled in is a mistake; nothing at all that is, is no answer yet.
    reason = next(iter(found.reasons)) if len(found.reasons) == 1 and not found.evaluations else ""
    outcome = _outcome(found)
    leading = None if outcome.problem is None else found.diagnoses.get(outcome.problem)
    return Finding(outcome, reason=reason, diagnosis=leading and leading[1]), found.evaluations


def _kinds_of_notes(found: _Asked) -> list[str]:
    """The first note of each kind: networks of other sizes, and other layers, make no other note."""
    kinds: dict[str, str] = {}
    for note in (note for evaluation in found.evaluations.values() for note in evaluation.notes):
        kinds.setdefault(re.sub(r"\d+(, )?", "", note), note)
    return list(kinds.values())


def _outcome(found: _Asked) -> Outcome:
    shown = (*_beyond(found), *_kinds_of_notes(found)[:SHOWN_NOTES])
    if not found.errors:
        return Outcome(ID, "pass", _passed(found), problems=found.asked, notes=shown)
    problem, text = _leading(found.errors) if len({known.fault for _, known in found.diagnoses.values()}) < 2 else _largest(found)
    others = f" The same happened on {len(found.errors)} of {counted(found.asked, 'network')}." if len(found.errors) > 1 else ""
    if found.never_asked:
        were = "was" if found.never_asked == 1 else "were"
        others += f" Then the candidate was given up: {counted(found.never_asked, 'network')} {were} never asked."
    return Outcome(ID, "error", text + others, problems=found.asked, failed=len(found.errors), problem=problem, notes=shown)


def _largest(found: _Asked) -> tuple[int, str]:
    """The error of the largest problem on which a mistake is named: of two layers every wrong order is the reverse one."""
    named = max(found.diagnoses, key=lambda index: found.diagnoses[index][0])
    return next(error for error in found.errors if error[0] == named)


def _leading(errors: Sequence[tuple[int, str]]) -> tuple[int, str]:
    """The first error, if it is an exception; else the first of the most frequent kind: one layer is a case of its own."""
    kinds = [NUMBERS.sub("#", text.partition(" Network ")[0]) for _, text in errors]
    most = max(kinds, key=kinds.count)
    return errors[0] if CALLED in errors[0][1] else errors[kinds.index(most)]


def _passed(found: _Asked) -> str:
    unanswered = found.asked - len(found.evaluations)
    if unanswered or found.spared:
        return f"Answered all ordinary networks in the claimed form, and all but {unanswered + found.spared} of the saturated ones."
    ordinary = found.asked - found.extreme
    saturated = f": {ordinary} ordinary ones, and {found.extreme} saturated ones, which decide nothing" if found.extreme else ""
    return f"Answered all {found.asked} networks in the claimed form{saturated}."


def _beyond(found: _Asked) -> list[str]:
    """Notes about saturated networks on which it died, or about which it was not asked any more."""
    notes, times = [], len(found.deaths)
    if times:
        notes.append(f"It died on {times} saturated network{'s' if times > 1 else ''}, outside the range that decides. {found.deaths[0]}")
    if found.spared:
        notes.append(f"It was not asked about {found.spared} saturated networks: at one more such end it would have been given up.")
    return notes


CHECK = Check(ID, SUMMARY, None, headline=1)
