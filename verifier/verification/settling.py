"""Stopping early: a candidate whose profile does not fit into the time limit, and which is wrong on ten networks by both witnesses.

The networks are taken in an order that goes through the strata in turn, so that ten of them are of different strata. Autograd is asked
first, since it costs one call a network; differences of the candidate's own loss only where ten are wrong. A network that differences do
not find wrong settles nothing, nor do several that are right, and the run goes on as its time limit has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verifier.checks import autograd, finite_difference
from verifier.checks.examination import Asking, Differenced, Examination, Finding, Item, Unanswered
from verifier.results.evaluation import Evaluation

ENOUGH = 10  # wrong networks, each of another architecture
RIGHT = 5  # networks that are right: then it is not wrong nearly everywhere, and a part of the profile tells more
SPREAD = 13  # odd, and no multiple of what strata and networks are multiples of: a part of the corpus still meets most strata


@dataclass(frozen=True)
class Settled:
    """The networks that settle a `fail`, all that were asked on the way to them, and what differences found."""

    asked: tuple[Item, ...]
    differences: Finding


def spread_out(items: Sequence[Item]) -> list[Item]:
    """The networks in an order of which any beginning is of many strata."""
    count = max(1, len(items))
    return sorted(items, key=lambda item: (item.index * SPREAD % count, item.index))


def settle(
    claims: object, entry: str, items: Sequence[Item], asking: Asking, seed: int, evaluations: dict[int, Evaluation]
) -> Settled | None:
    """What both witnesses find wrong on ten networks, or None where they do not agree on so many.

    `evaluations`: what is answered already; what is asked here is added to it.
    """
    wrong: dict[str, Item] = {}
    asked: list[Item] = []
    right = 0

    def examining(some: Sequence[Item]) -> Examination:
        return Examination(claims, entry, some, (), evaluations, asking, seed, ENOUGH)

    for item in spread_out(items):
        try:
            if item.index not in evaluations:
                evaluations[item.index] = asking.gradients(item.problem, where=item.where)
        except Unanswered:
            return None
        asked.append(item)
        answer = evaluations[item.index]
        finite = answer.loss is not None and all(np.isfinite(gradient).all() for gradient in answer.gradients.values())
        if finite and autograd.check(examining([item])).outcome.status == "fail":
            wrong.setdefault(item.problem.description, item)
        else:
            right += 1
        if len(wrong) == ENOUGH:
            break
        if right > RIGHT:
            return None
    else:
        return None
    done: list[Differenced] = []
    for item in wrong.values():
        try:
            found = finite_difference.difference(examining([item]), item, locate=False)
        except Unanswered:
            return None
        if found.status != "fail":
            return None
        done.append(Differenced(item, found))
    return Settled(tuple(sorted(asked, key=lambda item: item.index)), finite_difference.conclude(done))
