"""The outputs of a function as one number: their projection on signed, non-uniform cotangents. `sum()` and `mean()` hide what cancels."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from verifier.arrays import FloatArray, norm
from verifier.coarser import Seen
from verifier.oracles.finite_difference.directions import direction_for
from verifier.oracles.functions.differentiable import Arrays, Differentiable

COARSE_BITS = 7  # of a cotangent's magnitude where a type has few: exact in bfloat16 and float16


def cotangents_for(function: Differentiable, outputs: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
    """A cotangent for each output: entries ±[1/2, 1], the same for the same shapes; 1 where there is one number and nothing to project.

    Their numbers are exact in every type that the function computes in.
    """
    if not function.takes_cotangent:
        return tuple(np.ones(output.shape) for output in outputs)
    found = []
    for index, output in enumerate(outputs):
        signed = direction_for(0, index, "cotangent", output.shape)
        coarse = np.round(signed * 2.0**COARSE_BITS) / 2.0**COARSE_BITS
        found.append(coarse if function.epsilon > np.finfo(np.float32).eps else signed.astype(np.float32).astype(np.float64))
    return tuple(found)


class Projection:
    """⟨cotangents, outputs⟩ at scaled points: each input is its scale times a variable of size 1, exactly, as scales are powers of two.

    Attributes:
        scales: by input.
        theta: the point in the scaled variables; 0 where an input is not finite, which then stays as it is.
        evaluations: how often the function was asked.
        raised: the last error of the function at a point beside, which counts as outside of its domain.
        shift: added to the losses, so that a middle of nearly zero does not make all others look noisy.
    """

    def __init__(self, function: Differentiable, cotangents: Sequence[FloatArray], *, lifted: bool) -> None:
        self._function, self._lifted = function, lifted
        self._cotangent = flat(cotangents)
        self._long_cotangent = self._cotangent.astype(np.longdouble)
        self.scales = {name: scale_of(array) for name, array in function.inputs.items()}
        self.theta = {name: np.where(np.isfinite(array), array, 0.0) / self.scales[name] for name, array in function.inputs.items()}
        self._fixed = {}
        for name, array in function.inputs.items():
            fixed = ~np.isfinite(array) | function.zero_at.get(name, np.zeros(array.shape, dtype=bool))
            if fixed.any():
                self._fixed[name] = fixed
        self.evaluations = 0
        self.raised = ""
        self.shift = 0.0

    def outputs(self, direction: Mapping[str, FloatArray], step: float) -> FloatArray:
        """All outputs at θ + t·v, one after another, as the function gives them for inputs of its own type."""
        self.evaluations += 1
        return self._asked(self._moved(direction, step), at_the_point=not direction)

    def coarsely(self, direction: Mapping[str, FloatArray], step: float) -> tuple[float, Seen]:
        """The projected outputs there in a coarser arithmetic, and what was met; NaN where the function cannot be asked so."""
        moved = self._moved(direction, step)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                outputs, seen = self._function.coarsely(moved if self._lifted else self._function.rounded(moved), self._lifted)
        except Exception:  # whatever a foreign function does with arrays and a mode that it was not made for
            return float("nan"), Seen(0.0)
        found = flat(outputs)
        return (self.project(found) if found.shape == self._cotangent.shape else float("nan")), seen

    def _moved(self, direction: Mapping[str, FloatArray], step: float) -> dict[str, FloatArray]:
        moved = dict(self._function.inputs)
        for name in direction:
            array = step * direction[name]
            array += self.theta[name]
            array *= self.scales[name]
            moved[name] = array
        for name, fixed in self._fixed.items():
            moved[name] = np.where(fixed, self._function.inputs[name], moved[name])
        return moved

    def _asked(self, moved: Arrays, at_the_point: bool) -> FloatArray:
        """Where the function raises, it is outside of its domain; at the point itself that is the caller's to know."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                found = flat(self._function.values(moved if self._lifted else self._function.rounded(moved), self._lifted))
        except Exception as error:
            if at_the_point:
                raise
            self.raised = f"{type(error).__name__}: {error}"
            found = np.empty(0)
        return found if found.shape == self._cotangent.shape else np.full(self._cotangent.shape, np.nan)

    def losses(self, direction: Mapping[str, FloatArray], steps: FloatArray) -> FloatArray:
        """φ at each step; the `Points` of the finite-difference oracle."""
        return np.array([self.project(self.outputs(direction, float(step))) for step in steps]) + self.shift

    def project(self, outputs: FloatArray) -> float:
        """Summed in extended precision where there is one: the projection's own rounding must not be the noise."""
        with np.errstate(all="ignore"):
            return float((self._long_cotangent * outputs).sum())

    def level(self, outputs: FloatArray) -> float:
        """How large the outputs are together: 2-norm of cotangent · output, which rounding of each by its own last bit moves."""
        weighted = np.abs(self._cotangent * outputs)
        largest = float(weighted.max(initial=0.0))  # taken out first: squares of 1e160 overflow
        return largest * norm(weighted / largest) if 0 < largest < np.inf else largest

    def scaled(self, gradients: Arrays) -> dict[str, FloatArray]:
        """Gradients with respect to the scaled variables."""
        return {name: gradient * self.scales[name] for name, gradient in gradients.items()}


SMALLEST_SCALE = 2.0**-20  # steps reach 2^-30 of it: what lives on a still smaller scale is found too, and tiny weights keep a step to see


def scale_of(array: FloatArray) -> float:
    """The power of two next to the largest element, 1 for zeros."""
    largest = float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
    return 2.0 ** round(np.log2(max(largest, SMALLEST_SCALE))) if largest > 0 else 1.0


def flat(arrays: Sequence[FloatArray]) -> FloatArray:
    """All elements in one float64 row, array after array, each in C order; of one array it may be a view."""
    rows = [np.asarray(array, dtype=np.float64).ravel() for array in arrays]
    return rows[0] if len(rows) == 1 else np.concatenate(rows)
