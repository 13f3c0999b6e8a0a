"""What a candidate or an oracle answers for a problem."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verifier.arrays import FloatArray


@dataclass(frozen=True)
class Evaluation:
    """What was answered, all in the program's own names and layout and in float64.

    Attributes:
        loss, outputs: None where they were not given.
        gradients: by array name.
        stages: pre-activations, activations and deltas by value name, where they were given.
        rounding: for gradients that were recovered from a step, what the step's own rounding can do to them; by array name.
        notes: what was accepted although the contract asks for another form.
    """

    loss: float | None
    outputs: FloatArray | None
    gradients: Mapping[str, FloatArray]
    stages: Mapping[str, FloatArray] = field(default_factory=dict)
    rounding: Mapping[str, FloatArray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def listed(array: FloatArray) -> Any:
    """Nested lists; a number that JSON does not have becomes a word."""
    if array.ndim:
        return [listed(part) for part in array]
    return float(array) if np.isfinite(array) else str(float(array))
