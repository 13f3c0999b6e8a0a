"""Mistakes of the update rule, Wˡ ← Wˡ - η ∂L/∂Wˡ, where the gradients themselves are right: recognised from a few steps."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import sample_of, with_arrays
from verifier.diagnosis.mlp.faults import BY_ID
from verifier.diagnosis.mlp.mini_batches import tell_mini_batches
from verifier.diagnosis.mlp.other_steps import tell_other_steps, tell_which
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.diagnosis.mlp.step_lengths import RATES as LENGTHS_AT
from verifier.diagnosis.mlp.step_lengths import Walked, tell_lengths
from verifier.diagnosis.mlp.variation import Fault
from verifier.oracles.reference import Reference
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.report import Diagnosis
from verifier.tolerance import SAFETY

Parameters = Mapping[str, FloatArray]
Step = Callable[[Problem, float], Parameters | None]  # the parameters after one step at this rate; None without a usable answer

NETWORKS = 10
RATES = (0.5, 2.0**-9)
TURNS, CALLS = 3, 6  # networks and steps on each: by chance all six may be one way round, as something counted is, on one network in 360
_Judge = Callable[[Problem, Reference, Step, Claims, float], bool]


@np.errstate(all="ignore")
def explain_update(claims: Claims, step: Step, *, seed: int) -> Diagnosis | None:
    """What is wrong with the update rule: a known mistake that every one of a few networks shows, or the law of the step's length."""
    rate = claims.learning_rate or RATES[0]
    probes = list(draw_probes(claims, seed=seed, count=NETWORKS, batch=3 if claims.batch != "single" else 1))
    if not probes:
        return None
    first: Sequence[tuple[str, _Judge]] = (
        ("update-sign", _climbs),
        ("update-without-biases", _biases_stay),
        ("update-without-weights", _weights_stay),
        ("update-ignores-rate", _ignores_rate),
    )
    for name, judge in (*first, ("update-sample-by-sample", _by_samples), ("update-with-momentum", _has_momentum)):
        if all(judge(problem, reference, step, claims, rate) for problem, reference in probes):
            return named(BY_ID[name])
    stepped = [(problem, reference, step(problem, rate)) for problem, reference in probes]
    known = [(problem, reference, after) for problem, reference, after in stepped if after is not None]
    return (
        tell_lengths(_walk(claims, step, seed=seed))
        or tell_other_steps(known, rate)
        or tell_mini_batches(claims, step, rate, seed=seed)
        or _chance(claims, step, rate, seed=seed)
        or tell_which(known, rate)
    )


def named(fault: Fault) -> Diagnosis:
    """The diagnosis that names a fault of the catalogue."""
    return Diagnosis(fault.id, fault.equation, f"{fault.explanation} {fault.hint}")


def _chance(claims: Claims, step: Step, rate: float, *, seed: int) -> Diagnosis | None:
    """That steps from the same parameters differ by chance: to and fro, not one way as with something that is counted or added up."""
    turns = []
    for problem, reference in draw_probes(claims, seed=seed + 8, count=TURNS, batch=3 if claims.batch != "single" else 1):
        after = [found for found in (step(problem, rate) for _ in range(CALLS)) if found is not None]
        if len(after) < CALLS:
            return None
        turns.append(_goes_to_and_fro(problem, reference, after, rate))
    return Diagnosis("random-between-calls", "update", _BY_CHANCE) if turns and all(turns) else None


def _goes_to_and_fro(problem: Problem, reference: Reference, after: Sequence[Parameters], rate: float) -> bool:
    for name in after[0]:
        values = np.stack([found[name] for found in after])
        moves = ~np.all([_near(values[0], value, problem, reference, name, rate) for value in values])
        turns = np.diff(values, axis=0)
        if moves and bool(np.any((turns > 0).any(axis=0) & (turns < 0).any(axis=0))):
            return True
    return False


_BY_CHANCE = (
    "Steps from the same parameters, with the same samples and rate, differ from call to call: to and fro, by chance. "
    "Are samples shuffled or chosen at random in `update`, or units dropped? A step is along the gradient of all samples."
)


def _walk(claims: Claims, step: Step, *, seed: int) -> list[Walked]:
    """Steps at several rates on networks of several sizes; nothing where one of them is not answered."""
    rates = (claims.learning_rate,) if claims.learning_rate else LENGTHS_AT
    found = []
    for problem, reference in draw_probes(claims, seed=seed + 5, count=NETWORKS):
        after = [step(problem, rate) for rate in (*rates, rates[-1])]
        known = [dict(parameters) for parameters in after if parameters is not None]
        if len(known) < len(after):
            return []
        found.append(Walked(problem, reference, rates, known[:-1], known[-1]))
    return found


def _moved(problem: Problem, after: Parameters) -> dict[str, FloatArray]:
    return {name: np.asarray(problem.arrays[name], dtype=np.float64) - value for name, value in after.items()}


def _near(claimed: FloatArray, right: FloatArray, problem: Problem, reference: Reference, name: str, rate: float) -> bool:
    """Within what rounding of a step and of its gradient can do."""
    before = np.abs(np.asarray(problem.arrays[name], dtype=np.float64))
    allowed = rate * reference.gradient_tolerance(name) + SAFETY * machine_epsilon(problem.dtype) * (before + np.abs(right))
    return bool(np.all(np.abs(claimed - right) <= allowed))


def _steps_as(factor: Callable[[str], float], problem: Problem, reference: Reference, step: Step, rate: float) -> bool:
    after = step(problem, rate)
    if after is None:
        return False
    gradients = reference.gradients
    return all(
        _near(moved, factor(name) * rate * gradients[name], problem, reference, name, rate)
        for name, moved in _moved(problem, after).items()
    )


def _climbs(problem: Problem, reference: Reference, step: Step, claims: Claims, rate: float) -> bool:
    return _steps_as(lambda name: -1.0, problem, reference, step, rate)


def _biases_stay(problem: Problem, reference: Reference, step: Step, claims: Claims, rate: float) -> bool:
    if claims.bias == "none":
        return False
    return _steps_as(lambda name: 0.0 if name.startswith("biases") else 1.0, problem, reference, step, rate)


def _weights_stay(problem: Problem, reference: Reference, step: Step, claims: Claims, rate: float) -> bool:
    return _steps_as(lambda name: 1.0 if name.startswith("biases") else 0.0, problem, reference, step, rate)


def _ignores_rate(problem: Problem, reference: Reference, step: Step, claims: Claims, rate: float) -> bool:
    """Two rates, one step: a constant times the gradient."""
    if claims.learning_rate is not None:
        return False
    first, second = step(problem, RATES[0]), step(problem, RATES[1])
    if first is None or second is None:
        return False
    one, other = _moved(problem, first), _moved(problem, second)
    name = max(one, key=lambda name: float(np.max(np.abs(reference.gradients[name]))))
    gradient = reference.gradients[name]
    own = float((one[name] * gradient).sum() / (gradient**2).sum())
    if not own:
        return False
    return all(
        _near(one[name], other[name], problem, reference, name, abs(own))
        and _near(one[name], own * reference.gradients[name], problem, reference, name, 4 * abs(own))
        for name in one
    )


def _has_momentum(problem: Problem, reference: Reference, step: Step, claims: Claims, rate: float) -> bool:
    """Three steps alike: what each has beyond the gradient is one part of the step before, the same part twice."""
    steps = [step(problem, rate) for _ in range(3)]
    moved = [_moved(problem, after) for after in steps if after is not None]
    if len(moved) < 3:
        return False
    if all(_near(moved[0][n], moved[1][n], problem, reference, n, rate) for n in moved[0]):
        return False  # alike: nothing is carried from one to the next
    parts = []
    for before, after in itertools.pairwise(moved):
        beyond = np.concatenate([(after[name] - rate * reference.gradients[name]).ravel() for name in after])
        earlier = np.concatenate([before[name].ravel() for name in after])
        part = float(beyond @ earlier / max(float(earlier @ earlier), 1e-300))
        if abs(part) < 1e-6 or float(np.max(np.abs(beyond - part * earlier))) > 1e-9 * float(np.max(np.abs(earlier))):
            return False
        parts.append(part)
    return abs(parts[0] - parts[1]) <= 1e-6 * abs(parts[0])


def _by_samples(problem: Problem, reference: Reference, step: Step, claims: Claims, rate: float) -> bool:
    """One step a sample, each from the weights that the sample before it left; with or without the mean's 1/B."""
    after = step(problem, rate)
    rows = problem.arrays["x"].shape[0]
    if after is None or rows < 2:
        return False
    moved = _moved(problem, after)
    for share in (1.0, 1.0 / rows, float(rows)):
        walked = problem
        for row in range(rows):
            gradients = textbook.evaluate(sample_of(walked, row, claims)).gradients
            walked = with_arrays(walked, {name: walked.arrays[name] - share * rate * gradients[name] for name in gradients})
        right = _moved(problem, {name: walked.arrays[name] for name in moved})
        if all(_near(moved[name], right[name], problem, reference, name, rows * rate) for name in moved):
            return True
    return False
