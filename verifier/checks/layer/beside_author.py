"""A layer beside the function that whoever judges names as its reference: whether its outputs are that function's.

The function takes the manifest's arrays, sizes and options by their names, as they lie there, and gives the outputs in their order. Nothing
is left to choose: other outputs are wrong. Where they are, and the gradients are the function's own, it is the forward pass that is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.checks.layer.asking import Answered, LayerAsking, answer_patiently
from verifier.checks.layer.examined import Departure, Examined
from verifier.checks.layer.outputs import Beside
from verifier.checks.layer.raised import Raised
from verifier.checks.layer.usual import COMPARED, LIKELY
from verifier.contracts.layer.drawing import LayerProblem, flattened
from verifier.oracles.finite_difference.noise import machine_epsilon
from verifier.oracles.functions.wandering import MORE_BITS, moved_inputs
from verifier.tolerance import SAFETY

MOST = 16  # problems that are compared

AskAuthor = Callable[[Mapping[str, Any], Mapping[str, Array]], tuple[Mapping[str, Any], Mapping[str, Array]]]
"""(a point, its arrays) -> the reference's answer there, as `oracles.layer_operations.authors` gives it. Raises Unanswered."""


def beside_author(examined: Examined, asking: LayerAsking, ask: AskAuthor) -> Beside:
    """Compare; where outputs are wrong their departures are added to `examined`."""
    usual = _chosen([one for one in examined.problems if one.index in examined.answers and not one.stress])
    departures, alike = [], []
    for problem in usual:
        answered = examined.answers[problem.index]
        message, arrays = ask(*_question(problem, answered, asking, examined))
        departure = _departure(problem, answered, message, arrays, asking, examined)
        departures += [departure] if departure is not None else []
        alike.append(_has_its_gradients(answered, arrays))
    if not usual:
        return Beside()
    if not departures:
        return Beside("pass")
    examined.departures += departures
    wrong = any(departure.kind == "differences" for departure in examined.departures)
    return Beside("fail", backward=wrong and all(alike))


def _chosen(usual: Sequence[LayerProblem]) -> list[LayerProblem]:
    """The first few, and each further one with an option's value that none before it had: nothing else says what the options mean."""
    chosen: list[LayerProblem] = []
    seen: set[str] = set()
    for problem in usual:
        shown = {f"{name} = {value!r}" for name, value in problem.values.items() if name not in problem.sizes}
        if len(chosen) < COMPARED or (not shown <= seen and len(chosen) < MOST):
            chosen.append(problem)
            seen |= shown
    return chosen


def _question(
    problem: LayerProblem, answered: Answered, asking: LayerAsking, examined: Examined
) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
    message = {
        "values": flattened(problem.values),
        "dtype": "float32" if examined.inside_of(problem) == "float32" else "float64",
        "shapes": [list(answered.outputs[name].shape) for name in asking.outputs],
        "cotangents": len(asking.outputs),
        "gradients": [name for name, gradient in answered.gradients.items() if gradient is not None],
    }
    cotangents = {f"cotangent {place}": answered.cotangents[name] for place, name in enumerate(asking.outputs)}
    return message, {**{f"array {name}": array for name, array in problem.arrays.items()}, **cotangents}


def _departure(
    problem: LayerProblem,
    answered: Answered,
    message: Mapping[str, Any],
    arrays: Mapping[str, Array],
    asking: LayerAsking,
    examined: Examined,
) -> Departure | None:
    """How the outputs are not the reference's."""
    for place, name in enumerate(asking.outputs):
        claimed, shapes = answered.outputs[name], message["shapes"]
        if place >= len(shapes) or list(claimed.shape) != shapes[place]:
            there = tuple(shapes[place]) if place < len(shapes) else "none"
            says = f"are not those of the reference: {name} has shape {claimed.shape}, not {there}"
            return Departure("forward", "", problem, says, "shape")
        if not arrays:
            continue
        right, tolerance = arrays[f"output {place}"], arrays[f"tolerance {place}"]
        error = np.where(np.isfinite(right), np.abs(claimed - right), 0.0)  # beyond its domain it says nothing
        if not np.all(error <= tolerance):
            tolerance = np.maximum(tolerance, _wandering(asking, problem, name, claimed, examined))
        ratio = np.where(error == 0, 0.0, error / np.maximum(tolerance, np.finfo(np.float64).tiny))
        if ratio.size and ratio.max() > 1:
            worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
            off, allowed, seen, meant = (float(one[worst]) for one in (error, tolerance, claimed, right))
            return Departure("forward", "", problem, "are not those of the reference", "outputs", off, allowed, seen, meant)
    return None


def _wandering(asking: LayerAsking, problem: LayerProblem, name: str, claimed: FloatArray, examined: Examined) -> FloatArray:
    """What moves of the inputs by some of their last bits do to an output, times the safety factor: right code may cancel."""
    wandered = np.zeros(claimed.shape)
    real = [one for one, array in problem.arrays.items() if array.dtype.kind == "f"]
    for moved in moved_inputs(problem.arrays, real, MORE_BITS * machine_epsilon(examined.inside_of(problem))):
        try:
            again = answer_patiently(asking, problem, arrays=moved).outputs[name]
        except Raised:
            continue
        if again.shape == claimed.shape:
            wandered = np.fmax(wandered, np.abs(again - claimed))
    return SAFETY * wandered


def _has_its_gradients(answered: Answered, arrays: Mapping[str, Array]) -> bool:
    """Whether every gradient is the reference's, under the same cotangents: it says which pass is wrong, and decides nothing."""
    for name, claimed in answered.gradients.items():
        right = arrays.get(f"gradient {name}")
        if claimed is None or right is None or right.shape != claimed.shape:
            return False
        if not np.all(np.abs(claimed - right) <= LIKELY * (float(np.abs(right).max(initial=0.0)) or 1.0)):
            return False
    return bool(answered.gradients)
