"""What needs no claim: a second backward call, other layouts of the cotangent, and that a gradient is linear in it."""

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.layer.asking import ONE_SIGN, LayerAsking, answer_patiently, claim_again
from verifier.checks.layer.examined import Departure, Examined
from verifier.checks.layer.raised import Raised
from verifier.contracts.layer.drawing import LayerProblem
from verifier.oracles.finite_difference.noise import machine_epsilon
from verifier.oracles.functions.wandering import MORE_BITS, moved_inputs
from verifier.tolerance import SAFETY

PROPERTIES_ON = 4  # problems on which the second call, layouts and linearity are asked
LAYOUTS = {"fortran": "column by column", "strided": "every second element of a larger array"}  # with what they are in memory
SUMMED = 2.0**12  # of last bits of the largest element: another order of sums, however long here


def ask_properties(asking: LayerAsking, found: Examined) -> None:
    """The second backward call (a note), other layouts of the cotangent, and whether it is linear in it, on the first few problems."""
    chosen = [problem for problem in found.problems if problem.index in found.answers and problem.stress not in ONE_SIGN][:PROPERTIES_ON]
    for problem in chosen:
        if asking.claims.backward:
            _ask_second_call(asking, problem, found)
        if asking.claims.ties.cotangents and not found.departures:
            _ask_layouts(asking, problem, found)
            _ask_double(asking, problem, found)


def _ask_second_call(asking: LayerAsking, problem: LayerProblem, found: Examined) -> None:
    try:
        first = answer_patiently(asking, problem)
        second = asking.again(problem)
    except Raised as raised:
        found.note("purity", f"A second backward call after the same forward pass raises: {raised}")
        return
    for name, gradient in first.gradients.items():
        again = second.get(name)
        if gradient is None or again is None or np.array_equal(gradient, again, equal_nan=True):
            continue
        if again.shape == gradient.shape and _same(2 * gradient, again):
            found.note("purity", f"A second backward call adds to the gradient of {name}: it is then twice the first.")
        elif again.shape != gradient.shape or not _same(gradient, again):
            found.note("purity", f"A second backward call after the same forward pass answers otherwise for {name}.")


def _ask_layouts(asking: LayerAsking, problem: LayerProblem, found: Examined) -> None:
    first = found.answers[problem.index]
    for layout, words in LAYOUTS.items():
        try:
            other = answer_patiently(asking, problem, layout=layout)
        except Raised as raised:
            found.note("cotangent", f"With a cotangent that is {words} in memory it raises: {raised}")
            continue
        for name, gradient in first.gradients.items():
            again = other.gradients.get(name)
            if gradient is None or again is None or again.shape != gradient.shape:
                continue
            error, allowed = _apart(gradient, again)
            if error > allowed and error > _largest_wandering(asking, problem, name, gradient, found):
                says = f"changes where the cotangent is {words} in memory"
                found.departures.append(Departure("cotangent", name, problem, says, "layout", error, allowed))


def _ask_double(asking: LayerAsking, problem: LayerProblem, found: Examined) -> None:
    """Twice the cotangent must give twice the gradient, to the last bits: doubling is exact."""
    first = found.answers[problem.index]
    try:
        double = answer_patiently(asking, problem, factor=2.0)
    except Raised:
        return
    for name, gradient in first.gradients.items():
        again = double.gradients.get(name)
        if gradient is None or again is None or again.shape != gradient.shape or name in found.claims.mean:
            continue
        error, allowed = _apart(2 * gradient, again)
        if error > allowed and error > _largest_wandering(asking, problem, name, gradient, found):
            says = "is not linear in the cotangent: twice the cotangent does not give twice the gradient"
            found.departures.append(Departure("cotangent", name, problem, says, "linear", error, allowed))


def _apart(one: FloatArray, other: FloatArray) -> tuple[float, float]:
    """Largest difference, and what another order of the same sums can make of it: last bits of the largest element.

    Of float32: a sum in the middle may be in that, which the result does not show; memory that is read wrongly makes more of it.
    """
    if not one.size:
        return 0.0, 0.0
    largest = float(np.nanmax(np.abs(one)))
    return float(np.nanmax(np.abs(one - other))), SUMMED * float(np.finfo(np.float32).eps) * largest


def _same(one: FloatArray, other: FloatArray) -> bool:
    """Whether another order of the same sums explains the difference; no number is like what is not finite."""
    error, allowed = _apart(one, other)
    return bool(error <= allowed)


def wandering(asking: LayerAsking, problem: LayerProblem, name: str, gradient: FloatArray, amount: float) -> FloatArray:
    """What inputs that move by this share of themselves do to a claimed gradient, times the safety factor: it is known no better."""
    wandered = np.zeros(gradient.shape)
    real = [one for one, array in problem.arrays.items() if array.dtype.kind == "f"]
    for moved in moved_inputs(problem.arrays, real, amount):
        again = claim_again(asking, problem, moved).get(name)
        if again is not None and again.shape == gradient.shape:
            wandered = np.fmax(wandered, np.abs(again - gradient))
    return SAFETY * wandered


def _largest_wandering(asking: LayerAsking, problem: LayerProblem, name: str, gradient: FloatArray, found: Examined) -> float:
    """What cancels is known no better; nor is one that is read off as the step of a weight, whose last bit may be larger than the step."""
    epsilon = machine_epsilon(found.inside_of(problem))
    last_bit = epsilon * float(np.abs(problem.arrays[name]).max(initial=0.0))
    return max(SAFETY * last_bit, float(wandering(asking, problem, name, gradient, MORE_BITS * epsilon).max(initial=0.0)))
