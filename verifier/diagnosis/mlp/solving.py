"""δ of a batch, read from gradients that are wrong while the products are right: the δ whose products with [a, 1] they are.

A gradient is a sum over samples, so it tells each δ only of samples that differ. Of samples that are alike (the same activations below),
and of more samples than there are activations, it tells the sum: that is what is said then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.network import architecture_of, data_part
from verifier.oracles.reference import Answered

RANK = 1e-8  # of the largest singular value: smaller ones tell nothing
FITS = 1e-8  # of the largest product: a solution that is further off is none


@dataclass(frozen=True)
class Group:
    """Samples of a batch whose δ no gradient tells apart, and the sum of their δ: what is claimed, and how far rounding moves it."""

    rows: tuple[int, ...]
    delta: FloatArray
    allowed: FloatArray


@np.errstate(all="ignore")
def solve_deltas(one: Answered, *, products_right: bool) -> dict[str, tuple[Group, ...]]:
    """The candidate's δ of each layer whose gradients are wrong, by name; a layer whose gradients are right has the right δ.

    `products_right`: whether the products are known to be right; else a δ is told only where it gives them.
    """
    gradients, right = data_part(one.claimed.gradients, one.problem), data_part(one.reference.gradients, one.problem)
    found: dict[str, tuple[Group, ...]] = {}
    for layer in range(architecture_of(one.problem).layers):
        names = [name for name in (f"weights[{layer}]", f"biases[{layer}]") if name in gradients]
        if all(_within(gradients[name], right[name], one.reference.gradient_tolerance(name)) for name in names):
            continue
        groups = _by_alike_samples(one, layer, gradients, names)
        if not groups and products_right:
            groups = _of_all(one, layer, gradients)
        if groups:
            found[f"deltas[{layer}]"] = groups
    return found


def _by_alike_samples(one: Answered, layer: int, gradients: Mapping[str, FloatArray], names: Sequence[str]) -> tuple[Group, ...]:
    """A δ for each kind of sample, where there are no more kinds than the gradients tell apart, and some δ gives them."""
    below = np.asarray(one.problem.arrays["x"] if layer == 0 else one.reference.stages[f"activations[{layer - 1}]"], float)
    factors = np.concatenate([below, np.ones((len(below), 1))], axis=1) if len(names) == 2 else below
    products = np.concatenate([gradients[name].reshape(len(gradients[names[0]]), -1) for name in names], axis=1)
    kinds, kind_of = np.unique(factors, axis=0, return_inverse=True)
    if not (np.isfinite(kinds).all() and np.isfinite(products).all()):
        return ()
    deltas, _, rank, _ = np.linalg.lstsq(kinds.T, products.T, rcond=RANK)
    if rank < len(kinds) or not _within(kinds.T @ deltas, products.T, np.asarray(FITS * np.max(np.abs(products), initial=0.0))):
        return ()
    members = [tuple(np.flatnonzero(kind_of.ravel() == kind).tolist()) for kind in range(len(kinds))]
    return tuple(Group(rows, delta, _allowed(one, layer, rows)) for rows, delta in zip(members, deltas, strict=True))


def _of_all(one: Answered, layer: int, gradients: Mapping[str, FloatArray]) -> tuple[Group, ...]:
    """The bias gradient is the sum of all δ."""
    name = f"biases[{layer}]"
    if name not in gradients:
        return ()
    rows = tuple(range(one.problem.arrays["x"].shape[0]))
    return (Group(rows, gradients[name], _allowed(one, layer, rows) + one.reference.gradient_tolerance(name)),)


def _allowed(one: Answered, layer: int, rows: Sequence[int]) -> FloatArray:
    allowed: FloatArray = 2 * one.reference.stage_tolerance(f"deltas[{layer}]")[list(rows)].sum(axis=0)
    return allowed


def _within(claimed: FloatArray, expected: FloatArray, allowed: FloatArray) -> bool:
    # A comparison with NaN is false: what is not finite is not within.
    return bool(np.all(np.abs(claimed - expected) <= allowed))
