"""The networks of the contract `mlp`: what is drawn, what is ordinary, what is smaller."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from verifier.contracts.at_home import hypothesis_at_home
from verifier.contracts.mlp import numbers
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, array_shapes, data_part, losses_of_outputs, refusals, sample_of, share_of_sample
from verifier.contracts.mlp.network import with_claims as under
from verifier.contracts.mlp.numbers import Recipe, is_ordinary
from verifier.contracts.mlp.smallest import shelves
from verifier.problems.program import Problem

__all__ = [
    "data_part",
    "draw_plans",
    "draw_problem",
    "held_bytes",
    "is_ordinary",
    "losses_of_outputs",
    "refusals",
    "sample_of",
    "share_of_sample",
    "shelves",
    "shows",
    "under",
]

HELD_BYTES = 4 * 8  # an element: itself, its gradient, its scatter and the candidate's answer, in float64
_NARROWEST = 8  # no width is halved below


class Plan(NamedTuple):
    """A network but for its numbers, and how these are drawn."""

    architecture: Architecture
    recipe: Recipe


def draw_plans(claims: Claims, *, seed: int, ordinary: int, extreme: int, most_bytes: int) -> Sequence[Plan]:
    """Architectures by Hypothesis, in fixed strata."""
    with hypothesis_at_home():
        from verifier.contracts.mlp.strategy import draw_architectures

        drawn = draw_architectures(claims, seed_=seed, count=ordinary, extreme=extreme)
    return [Plan(held_narrow(architecture, claims, most_bytes), recipe) for architecture, recipe in drawn]


def draw_problem(plan: Plan, claims: Claims, *, seed: int, index: int, attempt: int, calm: bool) -> Problem:
    """The network with numbers by NumPy."""
    recipe = Recipe() if calm else plan.recipe
    return numbers.draw_problem(plan.architecture, recipe, claims, seed=seed, index=index, attempt=attempt)


def held_bytes(plan: Plan, claims: Claims) -> int:
    """What a network takes in memory during a run, with its answers."""
    return _bytes_of(plan.architecture, claims)


def _bytes_of(architecture: Architecture, claims: Claims) -> int:
    return HELD_BYTES * sum(math.prod(shape) for shape in array_shapes(architecture, claims).values())


def held_narrow(architecture: Architecture, claims: Claims, most_bytes: int) -> Architecture:
    """The same network, those of its widths that are free halved until it takes no more than this."""
    fixed = claims.sizes or (0,) * len(architecture.widths)
    while _bytes_of(architecture, claims) > most_bytes:
        halved = tuple(
            size or (width // 2 if width >= 2 * _NARROWEST else width) for size, width in zip(fixed, architecture.widths, strict=True)
        )
        if halved == architecture.widths:
            break
        architecture = replace(architecture, widths=halved)
    return architecture


def shows(plan: Plan) -> set[object]:
    """Activations of hidden layers and of the output, the loss, the dtype, and whether there are several samples."""
    *hidden, output = plan.architecture.activations
    loss, dtype, several = plan.architecture.loss, plan.architecture.dtype, plan.architecture.batch > 1
    return {*(("hidden", kind) for kind in hidden), ("output", output), ("loss", loss), ("dtype", dtype), ("several samples", several)}
