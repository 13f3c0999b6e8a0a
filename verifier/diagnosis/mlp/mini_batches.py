"""Steps on parts of the batch: `update` goes through mini-batches of k samples, in order or shuffled, or takes k of the samples alone.

On k + 1 samples such code makes a mini-batch of k and one of the sample that is left: k + 1 ways at most, and each is predicted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of, build_problem, with_arrays
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.oracles.reference import Reference
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.report import Diagnosis
from verifier.tolerance import SAFETY

Parameters = Mapping[str, FloatArray]
Step = Callable[[Problem, float], Parameters | None]

SIZES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 30, 32, 50, 64)
NETWORKS = 5
_How = tuple[bool, bool]  # whether the sample that is left gets a step, whether a step divides by the size of the whole batch
_HOW: tuple[_How, ...] = ((True, False), (True, True), (False, False), (False, True))


@dataclass(frozen=True)
class _Seen:
    problem: Problem
    reference: Reference
    after: Parameters


@np.errstate(all="ignore")
def tell_mini_batches(claims: Claims, step: Step, rate: float, *, seed: int) -> Diagnosis | None:
    """The mini-batches that predict every step on several networks, or None."""
    if claims.batch == "single":
        return None
    for size in SIZES:
        for (rest, whole), left in _predicting(claims, step, rate, size, seed=seed).items():
            words = _in_words(size, rest=rest, whole=whole, last=all(size in samples for samples in left))
            return Diagnosis("update-by-mini-batches", "update", words)
    return None


def _predicting(claims: Claims, step: Step, rate: float, size: int, *, seed: int) -> dict[_How, list[set[int]]]:
    """The ways that predict the step on every network, and which samples may be those that are left; ends where no way is left."""
    ways: dict[_How, list[set[int]]] = {how: [] for how in _HOW}
    for problem, reference in draw_probes(claims, seed=seed + 6, count=NETWORKS, batch=size + 1):
        after = step(problem, rate)
        if after is None:
            return {}
        seen = _Seen(problem, reference, after)
        found = {how: _left_out(seen, claims, rate, how) for how in ways}
        ways = {how: [*ways[how], left] for how, left in found.items() if left}
        if not ways:
            break
    return {how: left for how, left in ways.items() if len(left) == NETWORKS}


def _in_words(size: int, *, rest: bool, whole: bool, last: bool) -> str:
    order = "in the order in which they come" if last else "not in the order in which they come"
    by = ", each divided by the size of the whole batch" if whole else ""
    if rest:
        text = f"`update` takes a step for each mini-batch of {size} samples, {order}{by}: several steps in one call."
    else:
        which = f"the first {size}" if last else f"{size}"
        text = f"Of {size + 1} samples `update` steps along the gradient of {which} alone{by}."
    return f"{text} One step is along the gradient of all samples that it is given, W ← W - η ∂L/∂W."


def _left_out(one: _Seen, claims: Claims, rate: float, how: _How) -> set[int]:
    """The samples whose being left for a mini-batch of its own predicts the step; empty where none does."""
    rest, whole = how
    rows = list(range(len(one.problem.arrays["x"])))
    found = set()
    for left in rows:
        others = [row for row in rows if row != left]
        parts = [others, [left]] if rest else [others]
        if _fits(one, _walked(one.problem, parts, claims, rate, whole=whole), rate * len(rows)):
            found.add(left)
    return found


def _walked(problem: Problem, parts: Sequence[Sequence[int]], claims: Claims, rate: float, *, whole: bool) -> Parameters:
    """The parameters after a step on each part of the samples, one after another."""
    batch, arrays = len(problem.arrays["x"]), problem.arrays
    for part in parts:
        rows = {**arrays, "x": arrays["x"][list(part)], "y": arrays["y"][list(part)]}
        some = build_problem(replace(architecture_of(problem), batch=len(part)), rows, claims)
        length = rate * (len(part) / batch if whole else 1.0)
        gradients = textbook.evaluate(some).gradients
        arrays = with_arrays(problem, {name: arrays[name] - length * gradient for name, gradient in gradients.items()}).arrays
    return {name: arrays[name] for name in problem.program.differentiate}


def _fits(one: _Seen, right: Parameters, rate: float) -> bool:
    epsilon = SAFETY * machine_epsilon(one.problem.dtype)
    return all(
        bool(np.all(np.abs(after - right[name]) <= rate * one.reference.gradient_tolerance(name) + epsilon * np.abs(right[name])))
        for name, after in one.after.items()
    )
