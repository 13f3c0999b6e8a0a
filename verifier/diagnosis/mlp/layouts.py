"""Another layout in which a candidate answers that raises in the claimed one: found by calling it in each, never guessed from a message.

A layout counts where loss and gradients are right on every network that is tried, or on those of one depth and on no other. Files that say
nothing are often of another loss too, so where no layout is enough the squared losses and the reductions are tried with it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise, product
from typing import Any

import numpy as np

from verifier.checks.examination import Item
from verifier.contracts.mlp.claims import SQUARED_LOSSES, Claims
from verifier.contracts.mlp.network import architecture_of, build_problem
from verifier.oracles.reference import refer_if_deciding
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation

Ask = Callable[[Problem, Claims], Evaluation | None]
Answers = Sequence[tuple[Item, Evaluation]]
EACH = 2  # networks of a depth
DEPTHS = 4  # that are tried, the smallest
REDUCTIONS = ("mean", "sum", "mean_all")
LAYOUTS = {"weight_layout": ("out_in", "in_out"), "batch": ("rows", "columns", "single"), "bias": ("vector", "column", "row")}


def find_layout(claims: Claims, items: Sequence[Item], ask: Ask) -> str:
    """A sentence with the manifest's lines that would do; "" where there are none. The fewest lines come first."""
    found: list[tuple[bool, int, str]] = []
    answering: list[tuple[Claims, Answers]] = []
    for other in _layouts(claims):
        answers = {depth: [(item, ask(item.problem, other)) for item in group] for depth, group in _by_depth(items, other)}
        whole = [(item, answer) for group in answers.values() for item, answer in group if answer is not None]
        if len(answers) > 1 and len(whole) == sum(map(len, answers.values())):
            answering.append((other, whole))
        fits = {depth: [_fit(item, answer) for item, answer in group] for depth, group in answers.items()}
        fitting = [depth for depth, each in fits.items() if all(each)]
        everywhere = len(fitting) == len(fits) > 1
        alone = len(fitting) == 1 and fitting != [1]  # one layer alone is right in many a wrong way
        if not everywhere and not (alone and not any(any(each) for depth, each in fits.items() if depth != fitting[0])):
            continue
        assumed = other if everywhere else replace(other, layers=fitting[0])
        lines = _lines(claims, assumed)
        right = all(fit == "right" for depth in fitting for fit in fits[depth])
        if lines:
            found.append((not right, len(lines), _sentence(lines, right=right)))
        if right and len(lines) == 1:
            break
    if found:
        return min(found)[2]
    return _of_another_loss(claims, answering) or _of_one_output(claims, items, ask) or _that_answers(claims, answering)


def _that_answers(claims: Claims, answering: Sequence[tuple[Claims, Answers]]) -> str:
    """The same for code of which no layout is right: the one in which it can be called at all, so that the next run says what is wrong."""
    lines = min((_lines(claims, other) for other, _ in answering), key=len, default=[])
    return (
        f"With {_listed(lines)} in the manifest it answers on every network tried, but not as claimed: run it so to see how."
        if lines
        else ""
    )


def _of_another_loss(claims: Claims, answering: Sequence[tuple[Claims, Answers]]) -> str:
    """The same for code of another squared loss or reduction in another layout, where it answers on every network: right by both lines."""
    found = []
    for other, answers in answering if set(claims.losses) <= set(SQUARED_LOSSES) else ():
        for loss, reduction in product(SQUARED_LOSSES, REDUCTIONS):
            assumed = replace(other, losses=(loss,), reduction=reduction)
            if all(_fit_under(item, answer, assumed) == "right" for item, answer in answers):
                found.append((len(lines := _lines(claims, assumed)), lines))
    return _sentence(min(found)[1], right=True) if found else ""


def _fit_under(item: Item, answer: Evaluation, assumed: Claims) -> str:
    """As `_fit`, of the same network with the loss that is assumed."""
    architecture = replace(architecture_of(item.problem), loss=assumed.losses[0])
    problem = build_problem(architecture, item.problem.arrays, assumed)
    reference = refer_if_deciding(problem, seed=item.index)
    return "" if reference is None else _fit(replace(item, problem=problem, reference=reference), answer)


def _of_one_output(claims: Claims, items: Sequence[Item], ask: Ask) -> str:
    """The same for code that takes the targets for one column: right on networks of one output, and without an answer on all others."""
    found = []
    for depth, group in groupby(sorted(items, key=_depth), _depth) if claims.sizes is None else ():
        shown = [item for item in group if len(item.problem.arrays["x"]) > 1 or claims.batch == "single"]
        one = [item for item in shown if architecture_of(item.problem).widths[-1] == 1]
        others = [item for item in shown if architecture_of(item.problem).widths[-1] > 1]
        answers = [_fit(item, ask(item.problem, claims)) for item in one[:EACH]]
        if answers and set(answers) == {"right"} and not any(ask(item.problem, claims) for item in others[:EACH]):
            found.append(depth)
    if len(found) != 1:
        return ""
    return _sentence([f"`sizes = {json.dumps([0] * found[0] + [1])}`"], right=True)


def _depth(item: Item) -> int:
    return architecture_of(item.problem).layers


def _layouts(claims: Claims) -> Iterator[Claims]:
    ordered = sorted(
        product(*LAYOUTS.values()), key=lambda values: sum(getattr(claims, k) != v for k, v in zip(LAYOUTS, values, strict=True))
    )
    for values in ordered if claims.bias != "none" else ():
        changed: dict[str, Any] = dict(zip(LAYOUTS, values, strict=True))
        yield replace(claims, **changed)


def _by_depth(items: Sequence[Item], claims: Claims) -> list[tuple[int, list[Item]]]:
    """Networks whose sizes tell the layouts apart, a few of each depth."""

    def telling(item: Item) -> bool:
        widths, batch = architecture_of(item.problem).widths, len(item.problem.arrays["x"])
        return all(before != after for before, after in pairwise(widths)) and (batch == 1 if claims.batch == "single" else batch > 1)

    fitting = sorted((item for item in items if telling(item)), key=_depth)
    return [(layers, list(group)[:EACH]) for layers, group in groupby(fitting, _depth)][:DEPTHS]


def _fit(item: Item, answer: Evaluation | None) -> str:
    """Whether an answer is "right", has the right "loss" alone, or neither ("")."""
    if answer is None:
        return ""
    reference, loss = item.reference, answer.loss
    if loss is not None and (reference.loss is None or not abs(loss - reference.loss) <= reference.loss_tolerance()):
        return ""
    right = all(
        bool(np.all(np.abs(gradient - reference.gradients[name]) <= reference.gradient_tolerance(name)))
        for name, gradient in answer.gradients.items()
    )
    return "right" if right and answer.gradients else "loss" if loss is not None else ""


def _lines(claimed: Claims, assumed: Claims) -> list[str]:
    before, after = claimed.as_manifest(defaults=True), assumed.as_manifest(defaults=True)
    return [f"`{key} = {json.dumps(value)}`" for key, value in after.items() if before[key] != value]


def _sentence(lines: Sequence[str], *, right: bool) -> str:
    return f"With {_listed(lines)} in the manifest {'it is' if right else 'its loss is'} right on every network tried."


def _listed(lines: Sequence[str]) -> str:
    return " and ".join([", ".join(lines[:-1]), lines[-1]] if len(lines) > 1 else lines)
