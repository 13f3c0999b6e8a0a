"""Another layout in which a candidate answers that raises in the claimed one: found by calling it in each, never guessed from a message.

A layout counts where loss and gradients are right on every network that is tried, or on those of one depth and on no other.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise, product
from typing import Any

import numpy as np

from verifier.checks.examination import Item
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation

Ask = Callable[[Problem, Claims], Evaluation | None]
EACH = 2  # networks of a depth
DEPTHS = 4  # that are tried, the smallest
LAYOUTS = {"weight_layout": ("out_in", "in_out"), "batch": ("rows", "columns", "single"), "bias": ("vector", "column", "row")}


def find_layout(claims: Claims, items: Sequence[Item], ask: Ask) -> str:
    """A sentence with the manifest's lines that would do; "" where there are none. The fewest lines come first."""
    found: list[tuple[bool, int, str]] = []
    for other in _layouts(claims):
        fits = {depth: [_fit(item, ask(item.problem, other)) for item in group] for depth, group in _by_depth(items, other)}
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
    return min(found)[2] if found else _of_one_output(claims, items, ask)


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
    named = " and ".join([", ".join(lines[:-1]), lines[-1]] if len(lines) > 1 else lines)
    return f"With {named} in the manifest {'it is' if right else 'its loss is'} right on every network tried."
