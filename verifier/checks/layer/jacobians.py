"""Every derivative of every output of a layer by differences, for a diagnosis: small problems only."""

from collections.abc import Mapping

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.layer.asking import LayerAsking, answer_patiently
from verifier.contracts.layer.drawing import LayerProblem
from verifier.oracles.functions.projection import scale_of

# Of an array's own size, and half of that: of fourth order, so that what bends sharply is known to 1e-8 too, or 1e-4 of float32.
STEPS = {"float64": 2.0**-12, "float32": 2.0**-6}
LARGEST = 160  # elements of all arrays that are differentiated, and
LARGER = 480  # where no failing problem has as few


def elements(problem: LayerProblem, names: tuple[str, ...]) -> int:
    """How many derivatives of each output there are."""
    return sum(problem.arrays[name].size for name in names)


def jacobians(asking: LayerAsking, problem: LayerProblem, names: tuple[str, ...], inside: str) -> Mapping[str, FloatArray]:
    """By array, ∂output/∂element, shape (elements of all outputs, elements of the array). Raises Raised as asking does."""
    answer_patiently(asking, problem)
    lines, places = [], []
    for name in names:
        array = problem.arrays[name]
        step = STEPS[inside] * scale_of(np.asarray(array, dtype=np.float64))
        for position in range(array.size):
            along = np.zeros(array.shape)
            along.flat[position] = 1.0
            lines.append(({name: along}, [step, -step, step / 2, -step / 2]))
            places.append((name, step))
    rows: dict[str, list[FloatArray]] = {name: [] for name in names}
    for (name, step), points in zip(places, asking.along(lines, {}) if lines else [], strict=True):
        coarse, fine = (points[0] - points[1]) / (2 * step), (points[2] - points[3]) / step
        rows[name].append((4 * fine - coarse) / 3)
    size = next((column.size for columns in rows.values() for column in columns), 0)
    return {name: np.stack(columns, axis=1) if columns else np.zeros((size, 0)) for name, columns in rows.items()}
