"""Float32 inside, unlike any other error of its size: rounding is erratic, a rounded constant or an ε in a denominator is smooth.

The size of an error says little: 2.71828 for e, or 1e-8 added to a denominator, is off by as much as float32 is. So the candidate is asked
again with every array moved by a few of float32's last places. What rounding does is then another error altogether; a smooth one stays as
it was. Numbers that are cut to a fixed number of decimals are erratic too: so a value in float32 must also be seen, as an answer that has
24 bits, as an argument whose further bits change nothing, or as errors that stay small beside activations that are themselves small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.network import architecture_of, with_arrays
from verifier.diagnosis.mlp.probing import Ask
from verifier.oracles.reference import Answered, precision_ratio, refer
from verifier.problems.program import Problem

# A smaller error than this part of float32's tolerance, on the typical network, is something else (differences in place of backprop: 1e-4).
TYPICAL = 1e-2 / 32
MOVED = 2.0**-20  # 16 of float32's last places: every rounding falls differently, and a smooth error changes by a millionth
ERRATIC = 0.25  # of an error's length; rounding gives about √2, a smooth error 1e-6 times a condition number
NETWORKS = 8
SMALL = 1e-5  # the inputs and biases with which activations are small
_FAR_BELOW = ("sigmoid", "softplus", "softmax")
DEPTH = 14.0  # σ(-14) = 1e-6
FINE = 1e-4  # relative errors there: float32 makes 2e-5 at most, activations cut to 8 decimals 2e-3 on the typical network


@dataclass(frozen=True)
class Closeness:
    """Answers that are nearly right.

    Attributes:
        float32: whether something is computed or stored in float32.
        smooth: whether the error hardly changes where the arrays hardly change, which no rounding does.
    """

    float32: bool = False
    smooth: bool = False


def judge_closeness(answered: Sequence[Answered], ask: Ask, *, seed: int) -> Closeness:
    """Whether errors as small as float32's are those of float32."""
    if not is_of_float32_size(answered):
        return Closeness()
    wrong = [one for one in answered if one.problem.dtype == "float64" and _worst(one) >= TYPICAL * precision_ratio()][:NETWORKS]
    found = [_change(one, ask, seed=seed) for one in wrong]
    changes = [change for change in found if change is not None]
    if not changes:
        return Closeness()
    if float(np.median(changes)) < ERRATIC:
        return Closeness(smooth=True)
    return Closeness(float32=_answers_in_float32(wrong) or _arguments_in_float32(wrong, ask) or _stays_small(wrong, ask))


def is_of_float32_size(answered: Sequence[Answered]) -> bool:
    """Wrong at float64's tolerance and right at float32's, on every network, by as much as float32's rounding typically makes."""
    worst = [_worst(one) for one in answered if one.problem.dtype == "float64"]
    # A comparison with NaN is false: an answer that is not finite is no question of precision.
    return bool(worst) and all(ratio <= precision_ratio() for ratio in worst) and float(np.median(worst)) >= TYPICAL * precision_ratio()


def _worst(one: Answered) -> float:
    """The largest error in units of its tolerance."""
    return float(np.max(np.abs(_errors(one, one)), initial=0.0))


@np.errstate(all="ignore")
def _errors(one: Answered, unit: Answered) -> FloatArray:
    """Every element's error in units of its tolerance on the second network of two alike; 0 where it is exactly right."""
    parts = [np.zeros(1)]
    for name, gradient in one.claimed.gradients.items():
        error = gradient - one.reference.gradients[name]
        allowed = unit.reference.gradient_tolerance(name) + unit.claimed.rounding.get(name, 0.0)
        parts.append(np.where(error == 0, 0.0, error / allowed).ravel())
    return np.concatenate(parts)


def _change(one: Answered, ask: Ask, *, seed: int) -> float | None:
    """How much the error changes with arrays moved a little, as a part of its length; None without an answer."""
    moved = _answer(with_arrays(one.problem, _moved(one.problem, seed)), ask)
    if moved is None:
        return None
    # Both in one unit: the scatter is a sample, another on the moved network.
    before, after = _errors(one, one), _errors(moved, one)
    length = max(float(np.linalg.norm(before)), float(np.linalg.norm(after)))
    return float(np.linalg.norm(after - before)) / length if np.isfinite(length) and length > 0 else None


def _answer(problem: Problem, ask: Ask) -> Answered | None:
    claimed = ask(problem)
    if claimed is None or not all(bool(np.isfinite(gradient).all()) for gradient in claimed.gradients.values()):
        return None
    return Answered(problem, refer(problem), claimed)


def _moved(problem: Problem, seed: int) -> Mapping[str, FloatArray]:
    """Every array times 1 + 2⁻²⁰ξ; targets that are 0 or 1, or sum to 1, stay what they claim to be."""
    generator = np.random.default_rng([seed, 0x5F])
    found: dict[str, FloatArray] = {}
    for name, array in problem.arrays.items():
        if name == "y" and not _free_targets(problem, array):
            continue
        found[name] = np.asarray(array * (1 + MOVED * generator.uniform(-1, 1, array.shape)), dtype=array.dtype)
    return found


def _free_targets(problem: Problem, targets: FloatArray) -> bool:
    """Whether targets are any numbers: those of a squared error that are not all 0 or 1."""
    squared = problem.choices["loss"] in ("squared_error", "half_squared_error")
    return squared and not bool(np.isin(targets, (0.0, 1.0)).all())


def _answers_in_float32(wrong: Sequence[Answered]) -> bool:
    """Whether some tensor comes back with no more than 24 bits, on every network."""
    kinds = ("weights", "biases")
    return any(
        bool(parts) and all(_single(gradient) for gradient in parts)
        for kind in kinds
        for parts in [[gradient for one in wrong for name, gradient in one.claimed.gradients.items() if name.startswith(kind)]]
    )


def _single(array: FloatArray) -> bool:
    return bool(np.array_equal(array, _cast(array)))


@np.errstate(all="ignore")
def _cast(array: FloatArray) -> FloatArray:
    """The array as float32 holds it, in float64."""
    return np.asarray(np.asarray(array, dtype=np.float32), dtype=np.float64)


def _arguments_in_float32(wrong: Sequence[Answered], ask: Ask) -> bool:
    """Whether the bits beyond float32 of all arrays of one kind change nothing, on every network."""
    return any(all(_same_when_cast(one, kind, ask) for one in wrong) for kind in ("weights", "biases", "x", "y"))


def _same_when_cast(one: Answered, kind: str, ask: Ask) -> bool:
    cast = {name: _cast(array) for name, array in one.problem.arrays.items() if name.startswith(kind)}
    if all(np.array_equal(array, one.problem.arrays[name]) for name, array in cast.items()):
        return False  # no further bits: nothing is seen
    again = ask(with_arrays(one.problem, cast))
    return again is not None and all(np.array_equal(again.gradients[name], g) for name, g in one.claimed.gradients.items())


@np.errstate(all="ignore")
def _stays_small(wrong: Sequence[Answered], ask: Ask) -> bool:
    """Whether the errors are as small, relative to the gradient, where the activations are: decimals would be lost there, bits are not."""
    largest = []
    for one in wrong:
        arrays = _with_small_activations(one.problem)
        small = None if arrays is None else _answer(with_arrays(one.problem, arrays), ask)
        if small is None:
            continue
        parts = [np.zeros(0)]
        for name, right in small.reference.gradients.items():
            used = right != 0
            parts.append((np.abs(small.claimed.gradients[name] - right)[used] / np.abs(right)[used]).ravel())
        relative = np.concatenate(parts)
        largest.append(float(np.max(relative, initial=0.0)) if relative.size else np.inf)
    return bool(largest) and float(np.median(largest)) <= FINE


def _with_small_activations(problem: Problem) -> Mapping[str, FloatArray] | None:
    """Inputs and biases so small, or so far below zero under a sigmoid, that every activation is small, and of a softmax's one.

    None where there are no biases to do it with.
    """
    found: dict[str, FloatArray] = {"x": SMALL * problem.arrays["x"]}
    for layer, activation in enumerate(architecture_of(problem).activations):
        name = f"biases[{layer}]"
        if name not in problem.arrays:
            if activation in _FAR_BELOW:
                return None
        elif activation == "softmax":
            # Its target goes to another unit: δ of the last one is then its own small output.
            found[name], found["y"] = problem.arrays[name].copy(), problem.arrays["y"].copy()
            found[name][-1] -= DEPTH
            found["y"][:, 0] += found["y"][:, -1]
            found["y"][:, -1] = 0
        else:
            found[name] = problem.arrays[name] - DEPTH if activation in _FAR_BELOW else SMALL * problem.arrays[name]
    return {name: np.asarray(array, dtype=problem.arrays[name].dtype) for name, array in found.items()}
