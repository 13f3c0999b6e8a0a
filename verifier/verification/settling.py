"""Stopping early: a candidate whose profile does not fit into the time limit, and which is wrong on ten networks by both witnesses.

The networks are taken in the corpus's order, which goes through the strata in turn, so that ten of them are of different strata. Autograd
is asked first, since it costs one call a network; differences of the candidate's own loss only where ten are wrong. A network that
differences do not find wrong settles nothing, and the run goes on as its time limit has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verifier.checks import autograd, finite_difference
from verifier.checks.examination import Asking, Differenced, Examination, Finding, Item, Unanswered
from verifier.results.evaluation import Evaluation

ENOUGH = 10  # wrong networks, each of another architecture


@dataclass(frozen=True)
class Settled:
    """The networks that settle a `fail`, all that were asked on the way to them, and what differences found."""

    asked: tuple[Item, ...]
    differences: Finding


def settle(claims: object, entry: str, items: Sequence[Item], asking: Asking, seed: int) -> Settled | None:
    """What both witnesses find wrong on ten networks, or None where they do not agree on so many."""
    evaluations: dict[int, Evaluation] = {}
    wrong: dict[str, Item] = {}
    asked: list[Item] = []

    def examining(some: Sequence[Item]) -> Examination:
        return Examination(claims, entry, some, (), evaluations, asking, seed, ENOUGH)

    for item in items:
        try:
            evaluations[item.index] = asking.gradients(item.problem, where=item.where)
        except Unanswered:
            return None
        asked.append(item)
        answer = evaluations[item.index]
        finite = answer.loss is not None and all(np.isfinite(gradient).all() for gradient in answer.gradients.values())
        if finite and autograd.check(examining([item])).outcome.status == "fail":
            wrong.setdefault(item.problem.description, item)
        if len(wrong) == ENOUGH:
            break
    else:
        return None
    done: list[Differenced] = []
    for item in wrong.values():
        try:
            found = finite_difference.difference(examining([item]), item, locate=len(done) < finite_difference.LOCATED)
        except Unanswered:
            return None
        if found.status != "fail":
            return None
        done.append(Differenced(item, found))
    return Settled(tuple(asked), finite_difference.conclude(done))
