"""The smallest problem that still fails, within a budget of evaluations.

A contract puts its small problems on shelves (of networks one a depth). A few problems of a shelf tell whether the mistake shows there; of
the first where it does, all are tried in order. Where none does, the failing problem of the corpus stays the example.
"""

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from verifier.checks.check import Ask, Check
from verifier.checks.examination import Examination, Finding, Item, Unanswered
from verifier.contracts.catalogue import family_of
from verifier.oracles.reference import Answered, refer, refer_if_deciding
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation
from verifier.results.report import Step
from verifier.verification.explaining import Same, any_mistake


@dataclass(frozen=True)
class Shrunk:
    """The smallest problem found that fails a check: what the candidate answers, what the check finds there alone, the work by hand."""

    check: str
    answered: Answered
    finding: Finding
    walkthrough: tuple[Step, ...] = ()


def shrink(
    examination: Examination, check: Check, failing: Item, *, budget: int, same: Same = any_mistake, until: float = math.inf
) -> Shrunk | None:
    """The smallest problem found that fails the same check; the failing one itself where none is smaller, None without any answer.

    Args:
        check: the check that failed, asked about one problem at a time.
        failing: a problem of the corpus that fails it.
        same: whether a network shows the mistake that was diagnosed (the same known fault, the same first wrong equation).
        budget: how many evaluations of the candidate the search may take; 0 for a problem that is small already (a replayed one).
        until: when the search ends, by `time.perf_counter`.
    """
    assert check.ask is not None
    found, ask = None, check.ask
    # First a network that shows the mistake that was named; where none is found, any that fails.
    for wanted in (same, any_mistake) if same is not any_mistake else (same,):
        trials = _Trials(examination, ask, budget, wanted, until)
        if found is None and budget > 0:
            found = _smallest(examination, failing.problem, trials.fails, budget)
    for item in (_smallest_seen(examination, failing, same), failing) if found is None else (Item(0, found, refer(found)), failing):
        with contextlib.suppress(Unanswered):
            claimed = trials.answer(item)
            return Shrunk(check.id, Answered(item.problem, item.reference, claimed), ask(alone(examination, item, claimed)))
    return None


def _smallest_seen(examination: Examination, failing: Item, same: Same) -> Item:
    """The smallest network of the corpus that shows the mistake; the failing one where there is none."""
    shown = [item for item in examination.answered if same(examination.answer_to(item))] if same is not any_mistake else []
    wrong = [item for item in shown if _departs(examination.answer_to(item))]
    return min((*wrong, failing), key=lambda item: sum(array.size for array in item.problem.arrays.values()))


def _departs(answered: Answered) -> bool:
    """Whether some gradient is not the right one."""
    reference = answered.reference
    return any(
        not bool(np.all(np.abs(gradient - reference.gradients[name]) <= reference.gradient_tolerance(name)))
        for name, gradient in answered.claimed.gradients.items()
    )


class _Trials:
    """Asks a check about single problems, until the budget is spent or the time over.

    What it once answered it answers again: a candidate that keeps state, or the end of the budget, must not look like a flaky search.
    """

    def __init__(self, examination: Examination, check: Ask, budget: int, same: Same, until: float) -> None:
        self._examination, self._check, self._left, self._same = examination, check, budget, same
        self._until = until
        self._known: dict[tuple[object, ...], bool] = {}

    def fails(self, problem: Problem) -> bool:
        key = (problem.description, *(array.tobytes() for array in problem.arrays.values()))
        if key not in self._known:
            self._known[key] = self._ask(problem)
        return self._known[key]

    def _ask(self, problem: Problem) -> bool:
        reference = refer_if_deciding(problem) if self._left > 0 and time.perf_counter() < self._until else None
        if reference is None or has_dead_stage(item := Item(0, problem, reference)):
            return False
        self._left -= 1
        try:
            answer = self.answer(item)
            return self._check(alone(self._examination, item, answer)).outcome.status == "fail" and self._same(
                Answered(problem, reference, answer)
            )
        except Unanswered:
            return False

    def answer(self, item: Item) -> Evaluation:
        return self._examination.asking.gradients(item.problem, where=item.where)


def has_dead_stage(item: Item) -> bool:
    """Whether some layer's δ or activation is zero throughout: such a network shows nothing to learn from."""
    stages, roles = item.reference.stages, item.problem.roles
    return any(not value.any() for name, value in stages.items() if name in roles and roles[name].kind in ("deltas", "activations"))


def alone(examination: Examination, item: Item, answer: Evaluation) -> Examination:
    """An examination about one problem."""
    evaluations: Mapping[int, Evaluation] = {item.index: answer}
    return replace(examination, items=(item,), extreme=(), evaluations=evaluations)


def _smallest(examination: Examination, like: Problem, fails: Callable[[Problem], bool], budget: int) -> Problem | None:
    """The smallest failing problem of the first shelf on which some probing problem fails."""
    for shelf in family_of(like.contract).shelves(examination.claims, like):
        shown = next((problem for problem in shelf.probing if fails(problem)), None)
        if shown is not None:
            return next((problem for problem in islice(shelf.smallest, budget // 2) if fails(problem)), shown)
    return None
