"""Mistakes that no sweep of the textbook predicts to the last bits: differences of the loss, state between calls, chance."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of, build_problem
from verifier.diagnosis.mlp.faults import BY_ID
from verifier.diagnosis.mlp.probing import Ask, draw_probes
from verifier.diagnosis.mlp.variation import Fault
from verifier.oracles.reference import Answered, Reference, refer
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.evaluation import Evaluation
from verifier.tolerance import safety

# A difference of two losses is a whole number of their last places; so near to one, times the step, a gradient must be.
_STEPS = (
    *(10.0**-power for power in range(2, 11)),
    5e-5,
    5e-6,
    float(np.sqrt(machine_epsilon("float64"))),
    float(np.cbrt(machine_epsilon("float64"))),
)
WHOLE = 0.02
ROUGH = 1e-2  # a difference is nearer than this to the truth, relative to the tensor's largest element, on the typical network
ENOUGH = 10
SEQUENCES = 6
APART = 4  # times as large inputs: samples differ more
MIXED = 1e-5  # of a loss: far above what rounding in float32 makes of four of them


@np.errstate(all="ignore")
def is_numerical_differentiation(answered: Sequence[Answered]) -> bool:
    """Roughly right everywhere, and every element is a whole number of the loss's last places divided by one usual step."""
    usable = [one for one in answered if one.problem.dtype == "float64"]
    # Written so that NaN is rough.
    if len(usable) < ENOUGH or not float(np.median([_roughness(one) for one in usable])) <= ROUGH:
        return False
    return any(all(_whole(one, width) for one in usable[: 4 * ENOUGH]) for step in _STEPS for width in (2 * step, step))


def _roughness(one: Answered) -> float:
    """The largest error relative to the largest element of its tensor."""
    found = [0.0]
    for name, right in one.reference.gradients.items():
        largest = float(np.max(np.abs(right), initial=0.0))
        if largest > 0:
            found.append(float(np.max(np.abs(one.claimed.gradients[name] - right))) / largest)
    return float(np.max(found))


def _whole(one: Answered, width: float) -> bool:
    """Whether gradient times width is a multiple of half the loss's last place, as far as float64 can tell."""
    loss = one.reference.loss
    if not loss:
        return True
    place = float(np.spacing(abs(loss))) / 2
    parts = [gradient.ravel() * width / place for gradient in one.claimed.gradients.values()]
    counts = np.abs(np.concatenate(parts))
    counts = counts[counts < 1e12]
    return counts.size == 0 or bool(np.mean(np.abs(counts - np.round(counts)) <= WHOLE + 1e-15 * counts) > 0.98)


@np.errstate(all="ignore")
def find_state(claims: Claims, ask: Ask, answered: Sequence[Answered], *, seed: int) -> Fault | None:
    """The fault of state between calls that a few calls in a row show: accumulation, or an earlier call's forward pass."""
    probes = list(draw_probes(claims, seed=seed, count=SEQUENCES, batch=2 if claims.batch != "single" else 1))
    if probes and all(_accumulates(problem, reference, ask) for problem, reference in probes):
        return BY_ID["accumulated-between-calls"]
    if _uses_first_forward(answered) or (probes and _uses_previous_forward(probes, ask)):
        return BY_ID["stale-forward-state"]
    return None


@np.errstate(all="ignore")
def mixes_samples(claims: Claims, ask: Ask, *, seed: int) -> bool:
    """Whether what one sample adds to the loss of a batch depends on the other samples in it, on most networks asked.

    A loss f of two samples that adds up, whatever its factor and its regularisation, has f(a, b) - f(a', b) - f(a, b') + f(a', b') = 0.
    """
    if claims.batch == "single":
        return False
    found = []
    for problem, _ in draw_probes(claims, seed=seed + 4, count=SEQUENCES, batch=4):
        losses = [_loss_of_rows(problem, rows, claims, ask) for rows in ([0, 2], [1, 2], [0, 3], [1, 3])]
        known = [loss for loss in losses if loss is not None]
        if len(known) == len(losses):
            apart = abs(known[0] - known[1] - known[2] + known[3])
            found.append(apart > MIXED * max(map(abs, known)))
    return sum(found) > SEQUENCES // 2


def departs_without_samples(claims: Claims, ask: Ask, *, seed: int) -> bool:
    """Whether the loss departs from the claimed one by the same for any samples, on all networks asked: by what parameters decide."""
    if claims.batch == "single":
        return False
    errors = []
    for problem, _ in draw_probes(claims, seed=seed + 4, count=SEQUENCES, batch=4):
        both = []
        for rows in ([0, 2], [1, 3]):
            arrays = {**problem.arrays, "x": problem.arrays["x"][rows], "y": problem.arrays["y"][rows]}
            part = build_problem(replace(architecture_of(problem), batch=len(rows)), arrays, claims)
            claimed, reference = ask(part), refer(part)
            if claimed is None or claimed.loss is None or reference.loss is None:
                return False
            both.append((claimed.loss - reference.loss, reference.loss_tolerance()))
        (one, tolerance), (other, more) = both
        errors.append(abs(one - other) <= tolerance + more and abs(one) > 1000 * (tolerance + more))
    return bool(errors) and all(errors)


def _loss_of_rows(problem: Problem, rows: list[int], claims: Claims, ask: Ask) -> float | None:
    arrays = {**problem.arrays, "x": APART * problem.arrays["x"][rows], "y": problem.arrays["y"][rows]}
    claimed = ask(build_problem(replace(architecture_of(problem), batch=len(rows)), arrays, claims))
    return None if claimed is None else claimed.loss


def _accumulates(problem: Problem, reference: Reference, ask: Ask) -> bool:
    """Three calls alike: what each adds to the one before is the right gradient."""
    answers = [ask(problem) for _ in range(3)]
    for before, after in itertools.pairwise(answers):
        if before is None or after is None:
            return False
        for name, right in reference.gradients.items():
            size = (
                safety(reference.longest)
                * machine_epsilon(problem.dtype)
                * (np.abs(before.gradients[name]) + np.abs(after.gradients[name]))
            )
            error = np.abs(after.gradients[name] - before.gradients[name] - right)
            if not bool(np.all(error <= reference.gradient_tolerance(name) + size)):
                return False
    return True


def _uses_first_forward(answered: Sequence[Answered]) -> bool:
    """Whether each network's backward pass fits the forward pass of the first network of its shape."""
    first: dict[tuple[object, ...], Problem] = {}
    shown = 0
    for one in answered:
        architecture = architecture_of(one.problem)
        key = (architecture.widths, architecture.batch)
        if key not in first:
            first[key] = one.problem
            continue
        if not _fits(one.claimed, gradients_with_state(one.problem, first[key]), one.reference):
            return False
        shown += 1
    return shown >= ENOUGH


def _uses_previous_forward(probes: Sequence[tuple[Problem, Reference]], ask: Ask) -> bool:
    """Whether the second call of two of one shape answers with the forward pass of the first."""
    for problem, reference in probes:
        other = {
            name: array[::-1].copy() if name == "x" else array * np.asarray(0.5, array.dtype) for name, array in problem.arrays.items()
        }
        before = replace(problem, arrays={**other, "y": problem.arrays["y"]})
        if ask(before) is None:
            return False
        claimed = ask(problem)
        if claimed is None or not _fits(claimed, gradients_with_state(problem, before), reference):
            return False
    return True


def gradients_with_state(problem: Problem, earlier: Problem) -> Mapping[str, FloatArray]:
    """The gradients of a backward pass with this problem's weights and targets, and the values of an earlier problem's forward pass."""
    from verifier import textbook

    arrays = textbook.double(problem.arrays)
    stale = textbook.forward(earlier.program, textbook.double(earlier.arrays))
    kept = {name: value for name, value in stale.items() if name not in arrays or name == "x"}
    return textbook.evaluation_of(problem.program, textbook.backward(problem.program, {**arrays, **kept})).gradients


def _fits(claimed: Evaluation, predicted: Mapping[str, FloatArray], reference: Reference) -> bool:
    return all(
        bool(
            np.all(
                np.abs(claimed.gradients[name] - gradient)
                <= reference.gradient_tolerance(name) + 1e-12 * np.max(np.abs(gradient), initial=0.0)
            )
        )
        for name, gradient in predicted.items()
    )
