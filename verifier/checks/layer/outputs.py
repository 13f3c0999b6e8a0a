"""A layer's outputs beside PyTorch's, where its operation leaves no room for conventions and its arrays are the usual ones by letters."""

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.checks.layer.examining import Departure, Examined
from verifier.contracts.layer.claims import LayerClaims
from verifier.contracts.layer.drawing import LayerProblem, flattened
from verifier.contracts.layer.operations.operation import Operation
from verifier.problems.sizes import ANY, Expression, Shape, parse_shape
from verifier.results.evaluation import FloatArray

COMPARED = 4  # problems
LEAST = 2  # of them that must depart: sizes at which a layer means something else are no mistake

Plan = Mapping[str, tuple[str, tuple[int, ...]]]
"""By usual name: the manifest's name of that array, and the order of its axes in the usual layout (axes of length 1 left out)."""


def compare_outputs(examined: Examined, output: str) -> str:
    """ "pass", "fail" (with departures in `examined`), or "skipped" where nothing says what is right."""
    entry = examined.claims.entry
    if entry is None or len(examined.claims.ties.outputs) != 1:
        return "skipped"
    from verifier.oracles.layer_operations import OPERATIONS, outputs_of  # PyTorch, for those that need it

    plan = plan_of(examined.claims, entry)
    if entry.name not in OPERATIONS or plan is None:
        return "skipped"
    found: list[Departure] = []
    compared = 0
    for problem in [one for one in examined.problems if one.index in examined.answers and not one.stress][:COMPARED]:
        values = flattened(problem.values)
        if any(not isinstance(values.get(option), int) for option in OPERATIONS[entry.name][1]):
            return "skipped"
        arrays = {role: _in_usual_layout(problem, name, order) for role, (name, order) in plan.items()}
        reference, tolerance = outputs_of(entry.name, arrays, values, dtype=examined.inside)
        claimed = examined.answers[problem.index].outputs[output]
        judged = _judge(claimed, reference, tolerance)
        if judged is None:
            return "skipped"
        compared += 1
        if judged[0] > 1:
            error, allowed, told, right = judged[1:]
            says = f"are not those of {entry.name}"
            found.append(Departure("forward", "", problem, says, "outputs", error, allowed, told, right))
    if len(found) >= LEAST:
        examined.departures += found
        return "fail"
    return "pass" if compared and not found else "skipped"


def roles_of(claims: LayerClaims) -> Mapping[str, str]:
    """By the operation's name of an array, the manifest's."""
    entry = claims.entry
    if entry is None:
        return {}
    found = {role: next((one for one in (role, *entry.names.get(role, ())) if one in claims.shapes), "") for role in entry.arrays}
    return {role: name for role, name in found.items() if name}


def plan_of(claims: LayerClaims, entry: Operation) -> Plan | None:
    """Which array plays which part, and how its axes lie; None where names or letters do not tell."""
    plan: dict[str, tuple[str, tuple[int, ...]]] = {}
    for role, letters in entry.arrays.items():
        name = next((one for one in (role, *entry.names.get(role, ())) if one in claims.shapes), None)
        if name is None:
            if role == "b":  # a layer without a bias
                continue
            return None
        order = _order(claims.shapes[name], parse_shape(letters))
        if order is None:
            return None
        plan[role] = name, order
    return plan if len(plan) == len(claims.shapes) else None


def _order(shape: Shape, usual: Shape) -> tuple[int, ...] | None:
    """Where the usual axes are among those of the array, axes of length 1 left out; None where the letters are others."""
    if ANY in shape.dimensions or ANY in usual.dimensions or shape.kind != usual.kind:
        return None
    own = [one.text for one in shape.dimensions if isinstance(one, Expression) and one.text != "1"]
    wanted = [one.text for one in usual.dimensions if isinstance(one, Expression)]
    if sorted(own) != sorted(wanted) or len(set(own)) != len(own):
        return None
    return tuple(own.index(letter) for letter in wanted)


def _in_usual_layout(problem: LayerProblem, name: str, order: tuple[int, ...]) -> NDArray[Any]:
    array = problem.arrays[name]
    while array.ndim > len(order):  # an axis that the letters say is 1
        array = array.squeeze(axis=next(axis for axis, length in enumerate(array.shape) if length == 1))
    return np.ascontiguousarray(array.transpose(order))


def _judge(claimed: FloatArray, reference: FloatArray, tolerance: FloatArray) -> tuple[float, float, float, float, float] | None:
    """(ratio, error, tolerance, claimed, right) at the worst element, in the layout that fits best; None where none has its shape."""
    judged = []
    for order in permutations(range(reference.ndim)):
        right, allowed = reference.transpose(order), tolerance.transpose(order)
        if right.shape == claimed.shape and right.size:
            error = np.abs(claimed - right)
            ratio = np.where(error == 0, 0.0, error / np.maximum(allowed, np.finfo(np.float64).tiny))
            worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
            judged.append((float(ratio[worst]), float(error[worst]), float(allowed[worst]), float(claimed[worst]), float(right[worst])))
    return min(judged, default=None)
