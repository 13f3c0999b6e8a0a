"""`update`: is a step gradient descent, W ← W - η ∂L/∂W, with the right gradient at every learning rate?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.check import Check, Size
from verifier.checks.examination import (
    Examination,
    Finding,
    Item,
    compare_gradients,
    compared,
    concluded,
    departs,
    own_rounding,
    skipped,
    without,
)
from verifier.checks.mlp import optimizer
from verifier.checks.mlp.stepping import step, walk
from verifier.contracts.mlp.calling import RECOVERY_RATE, gradients_of_step
from verifier.contracts.mlp.network import architecture_of
from verifier.oracles.reference import Reference
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.evaluation import Evaluation
from verifier.results.outcome import Measurement
from verifier.results.report import Diagnosis

ID = "update"
SUMMARY = "a step is W - η ∂L/∂W, at every learning rate and all along a path"
SOURCE = "32 x rounding scatter, and the rounding of the step"
RECOVERED_ON = 40
PATH_STEPS = 20
PATHS = 5  # at most, until one has half of the steps
PATH_RATES, SECOND_RATES = (0.05, 0.2), (0.25, 1.0)  # from which the seed draws: code that knows a rate by its value must not get by


def check(examination: Examination) -> Finding:
    """Gradients recovered from steps at one rate, then at a second, then twenty steps along a path."""
    if "update" not in examination.asking.functions:
        return skipped(ID, without(examination, [ID], "The candidate has no `update`."))
    if examination.claims.optimizer is not None:
        return optimizer.check(examination, examination.claims.optimizer)
    fixed = examination.claims.learning_rate
    items = examination.answered[:RECOVERED_ON]
    first = [_recover(examination, item, RECOVERY_RATE if fixed is None else fixed) for item in items]
    second_rate, path_rate = _drawn_rates(examination.seed)
    other = [_recover(examination, item, second_rate) for item in items] if fixed is None else []
    recovered = [measurement for item, gradients in zip(items, first, strict=True) for measurement in _compare(item, gradients)]
    second = [measurement for item, gradients in zip(items, other, strict=bool(other)) for measurement in _compare(item, gradients)]
    path = _along_a_path(examination, items, path_rate if fixed is None else fixed)
    finding = concluded(
        ID,
        recovered + second + path,
        passed="Every step is W - η ∂L/∂W.",
        failed=lambda worst, wrong: _failed(recovered, second, path),
    )
    if finding.outcome.status != "fail" or not other:
        return finding
    return replace(finding, diagnosis=_updated_first(items, first, other))


def _drawn_rates(seed: int) -> tuple[float, float]:
    """A second learning rate, and that of the path."""
    generator = np.random.default_rng([seed, len(ID)])
    return float(generator.uniform(*SECOND_RATES)), float(generator.uniform(*PATH_RATES))


def _recover(examination: Examination, item: Item, rate: float) -> Evaluation:
    updated = step(examination, item.problem, rate, where=f"learning rate {rate:g}. {item.where}")
    return gradients_of_step(updated, item.problem, rate)


def _compare(item: Item, recovered: Evaluation) -> list[Measurement]:
    return compare_gradients(ID, item, recovered, item.reference.gradients, item.reference.gradient_tolerance, SOURCE)


def _along_a_path(examination: Examination, items: list[Item], rate: float) -> list[Measurement]:
    """Single steps, each from the candidate's own previous weights, each held to the gradient there: on the largest batch of few layers.

    A path may leave the ordinary networks, or meet a kink, at once: then the next largest is tried.
    """
    found: list[Measurement] = []
    for start in sorted(items, key=lambda item: architecture_of(item.problem).layers <= 3 and -len(item.problem.arrays["x"]))[:PATHS]:
        path = walk(examination, start.problem, rate, steps=PATH_STEPS, seed=start.index, where=start.where)
        for problem, reference, after in zip(path.problems, path.references, path.afters, strict=True):
            found += _compare_step(start, problem, reference, after, rate)
        if 2 * len(path.afters) >= PATH_STEPS:
            break
    return found


def _compare_step(item: Item, problem: Problem, reference: Reference, updated: Mapping[str, FloatArray], rate: float) -> list[Measurement]:
    epsilon = machine_epsilon(problem.dtype)
    found: list[Measurement] = []
    for name, after in updated.items():
        before = problem.arrays[name].astype(np.float64)
        right = before - rate * reference.gradients[name]
        allowed = rate * reference.gradient_tolerance(name) + epsilon * np.maximum(np.abs(before), np.abs(right))
        found += compared(ID, item, name, after, right, allowed, SOURCE)
    return found


def _failed(recovered: list[Measurement], second: list[Measurement], path: list[Measurement]) -> str:
    wrong = {kind: [m for m in found if m.status == "fail"] for kind, found in (("first", recovered), ("second", second), ("path", path))}
    kind, worst = next((kind, found[0]) for kind, found in wrong.items() if found)
    problems = len({measurement.problem for measurement in recovered})
    networks = len({measurement.problem for found in wrong.values() for measurement in found})
    shows = "after a step along a path" if kind == "path" else "it shows the gradient"
    return f"A step is not W - η ∂L/∂W: {shows} {departs(worst)} Wrong on {networks} of {problems} networks."


def _updated_first(items: Sequence[Item], first: Sequence[Evaluation], other: Sequence[Evaluation]) -> Diagnosis | None:
    """Weights updated before they carry the delta down: the output layer's gradient is the same at both rates, one below changes with η."""
    changed: set[str] = set()
    for item, one, two in zip(items, first, other, strict=True):
        names = [name for name in one.gradients if _changes(item, name, one, two)]
        last = architecture_of(item.problem).layers - 1
        if {f"weights[{last}]", f"biases[{last}]"} & set(names):
            return None
        changed |= set(names)
    if not changed:
        return None
    return Diagnosis(
        "updated-before-propagated",
        "hidden-delta",
        "The gradients below the output layer, as steps show them, change with η, and those of the output layer do not: "
        "weights are updated before they carry the delta down. Compute every gradient first, then step.",
    )


def _changes(item: Item, name: str, one: Evaluation, two: Evaluation) -> bool:
    """Whether a gradient is another one at the other rate, beyond rounding; one that is wrong at both is held to its own size."""
    own = own_rounding(item, one)[name] + own_rounding(item, two)[name]
    allowed = 2 * item.reference.gradient_tolerance(name) + one.rounding[name] + two.rounding[name] + own
    return bool(np.any(np.abs(one.gradients[name] - two.gradients[name]) > allowed))


def _calls(size: Size) -> float:
    return 2 * min(size.networks, RECOVERED_ON) + 2 * PATH_STEPS if ID in size.functions else 0.0


CHECK = Check(ID, SUMMARY, check, needs=frozenset({"step"}), headline=6, shrinkable=True, calls=_calls)
