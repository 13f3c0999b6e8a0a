"""Steps that are not along the gradient, as laws that people write: by its sign, clipped, divided by its norm, several at once, in turns.

Each law predicts every parameter after a step on several networks, to the last bits; where none does, it is said which tensors step
rightly.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.network import architecture_of, with_arrays
from verifier.oracles.reference import Reference
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.report import Diagnosis
from verifier.tolerance import SAFETY

Parameters = Mapping[str, FloatArray]
Probes = Sequence[tuple[Problem, Reference, Parameters]]  # networks, and the parameters after one step of the candidate
Law = Callable[[Problem, Parameters, float], Parameters]  # (network, its gradients, rate) -> what each parameter moves by
FEWEST = 5  # networks that a law is held to
SHOWN = 3  # of them at least, on which a plain step is not what came


def tell_other_steps(probes: Probes, rate: float) -> Diagnosis | None:
    """The law that all networks follow; None where none does, or too few show anything."""
    if not _show_enough(probes, rate):
        return None
    for words, law in _laws(probes, rate):
        if all(_follows(law, *probe, rate) for probe in probes):
            return Diagnosis("update-by-another-law", "update", f"{words} W ← W - η ∂L/∂W.")
    return None


def tell_which(probes: Probes, rate: float) -> Diagnosis | None:
    """Where no law is known: which tensors step rightly and which do not; None where too few networks show anything."""
    text = _which(probes, rate) if _show_enough(probes, rate) else ""
    return Diagnosis("no-known-mistake", "update", f"No known rule predicts the steps. {text}") if text else None


def _show_enough(probes: Probes, rate: float) -> bool:
    wrong = sum(not _follows(lambda problem, gradients, rate: _each(gradients, lambda g: g, rate), *probe, rate) for probe in probes)
    return len(probes) >= FEWEST and wrong >= SHOWN


def _laws(probes: Probes, rate: float) -> Iterator[tuple[str, Law]]:
    yield "`update` steps by the sign of the gradient, not by the gradient.", lambda problem, g, rate: _each(g, np.sign, rate)
    largest = max(float(np.max(np.abs(_moved(problem, after)[name]), initial=0.0)) for problem, _, after in probes for name in after) / rate
    if not largest:
        return  # it moves nothing: none of the laws does that
    bound = float(f"{largest:.6g}")
    clip = f"`update` clips each element of the gradient to ± {bound:g}."
    yield clip, lambda problem, g, rate: _each(g, lambda values: np.clip(values, -bound, bound), rate)
    yield "`update` divides the gradient by its norm over all parameters.", lambda problem, g, rate: _each(g, lambda v: v / _norm(g), rate)
    yield (
        "`update` divides each tensor's gradient by its norm.",
        lambda problem, g, rate: _each(g, lambda v: v / max(float(np.linalg.norm(v)), 1e-300), rate),
    )
    longest = float(f"{max(_norm(_moved(problem, after)) for problem, _, after in probes) / rate:.6g}")
    yield (
        f"`update` shortens the gradient to a norm of {longest:g} where it is longer.",
        lambda problem, g, rate: _each(g, lambda v: v * min(1.0, longest / max(_norm(g), 1e-300)), rate),
    )
    for times in (2, 3, 4, 5, 10, 20, 50, 100):
        yield f"`update` takes {times} steps in one call.", _several(times)
    yield "`update` moves the weights first, and takes the biases' gradient from there.", lambda p, g, rate: _in_turn(p, g, rate, "weights")
    yield "`update` moves the biases first, and takes the weights' gradient from there.", lambda p, g, rate: _in_turn(p, g, rate, "biases")
    yield "`update` moves the output layer alone.", lambda problem, g, rate: _of_layers(problem, g, rate, lambda layer, last: layer == last)
    yield "`update` never moves the output layer.", lambda problem, g, rate: _of_layers(problem, g, rate, lambda layer, last: layer != last)
    yield "`update` never moves the first layer.", lambda problem, g, rate: _of_layers(problem, g, rate, lambda layer, last: layer > 0)
    for kind in ("weights", "biases"):
        yield (
            f"`update` never moves the {kind} of the first layer.",
            _without(f"{kind}[0]"),
        )
    yield (
        "`update` multiplies each weight by 1 - η ∂L/∂W, in place of subtracting.",
        lambda problem, g, rate: {n: rate * v * (_before(problem, n) if n.startswith("weights") else 1) for n, v in g.items()},
    )


def _several(times: int) -> Law:
    return lambda problem, gradients, rate: _steps(problem, rate, times)


def _without(tensor: str) -> Law:
    return lambda problem, gradients, rate: {name: 0 * g if name == tensor else rate * g for name, g in gradients.items()}


def _each(gradients: Parameters, of: Callable[[FloatArray], FloatArray], rate: float) -> Parameters:
    return {name: rate * of(gradient) for name, gradient in gradients.items()}


def _norm(parts: Parameters) -> float:
    return float(np.sqrt(sum(float((part**2).sum()) for part in parts.values())))


def _before(problem: Problem, name: str) -> FloatArray:
    before: FloatArray = np.asarray(problem.arrays[name], dtype=np.float64)
    return before


def _moved(problem: Problem, after: Parameters) -> dict[str, FloatArray]:
    return {name: _before(problem, name) - value for name, value in after.items()}


def _steps(problem: Problem, rate: float, times: int) -> Parameters:
    walked = problem
    for _ in range(times):
        gradients = textbook.evaluate(walked).gradients
        walked = with_arrays(walked, {name: walked.arrays[name] - rate * gradient for name, gradient in gradients.items()})
    return {name: _before(problem, name) - walked.arrays[name] for name in problem.program.differentiate}


def _in_turn(problem: Problem, gradients: Parameters, rate: float, first: str) -> Parameters:
    moved = {name: rate * gradient for name, gradient in gradients.items() if name.startswith(first)}
    there = with_arrays(problem, {name: problem.arrays[name] - step for name, step in moved.items()})
    later = textbook.evaluate(there).gradients
    return {name: moved[name] if name in moved else rate * later[name] for name in gradients}


def _of_layers(problem: Problem, gradients: Parameters, rate: float, moves: Callable[[int, int], bool]) -> Parameters:
    last = architecture_of(problem).layers - 1
    return {name: rate * g if moves(int(name.partition("[")[2][:-1]), last) else 0 * g for name, g in gradients.items()}


def _follows(law: Law, problem: Problem, reference: Reference, after: Parameters, rate: float) -> bool:
    right = law(problem, reference.gradients, rate)
    return all(_near(problem, reference, name, moved, right[name], rate) for name, moved in _moved(problem, after).items())


def _near(problem: Problem, reference: Reference, name: str, moved: FloatArray, right: FloatArray, rate: float) -> bool:
    rounding = SAFETY * machine_epsilon(problem.dtype) * (np.abs(_before(problem, name)) + np.abs(right))
    # A law may magnify a gradient's own error, as a norm does: by the ratio of what comes out to what goes in.
    gradient = np.max(np.abs(reference.gradients[name]), initial=0.0)
    grows = max(1.0, float(np.max(np.abs(right), initial=0.0)) / max(rate * float(gradient), 1e-300))
    return bool(np.all(np.abs(moved - right) <= rate * grows * reference.gradient_tolerance(name) + rounding))


def _which(probes: Probes, rate: float) -> str:
    """By place and kind, which tensors step rightly on all networks and which on none."""
    rightly: dict[str, set[bool]] = {}
    for problem, reference, after in probes:
        last = architecture_of(problem).layers - 1
        for name, moved in _moved(problem, after).items():
            place = f"the {name.partition('[')[0]} of {'the output layer' if name.endswith(f'[{last}]') else 'the layers below the output'}"
            right = _near(problem, reference, name, moved, rate * reference.gradients[name], rate)
            rightly.setdefault(place, set()).add(right)
    wrong = [place for place, seen in rightly.items() if seen == {False}]
    right_ones = [place for place, seen in rightly.items() if seen == {True}]
    said = [f"Never right: {', '.join(wrong)}."] if wrong else []
    return " ".join([*said, *([f"Always right: {', '.join(right_ones)}."] if right_ones else [])])
