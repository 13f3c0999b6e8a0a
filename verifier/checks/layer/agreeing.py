"""On which problems differences could say nothing more: where outputs and gradients are PyTorch's as far as a line can tell.

Every layer is differenced on its first problems. By then it is known which variant of its operation it is. On a further problem its outputs
and gradients are held against that variant, with whatever values of options and whatever stress it has: where they are the same within
rounding, no line through that problem could fail, and none is asked; nor are one-sided slopes at ties and zeros, between which PyTorch's
own choice lies. Everywhere else the layer is asked as ever: where it departs, where no operation is said, and where anything was wrong or
undecided so far.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.layer.asking import Answered, LayerAsking
from verifier.checks.layer.examined import Examined
from verifier.checks.layer.usual import (
    Compared,
    Variants,
    as_claimed,
    best_choice,
    compared_problems,
    roles_by_array,
    usual_cotangents,
    variants_of,
)
from verifier.contracts.layer.drawing import LayerProblem
from verifier.oracles.finite_difference.ladder import KAPPA, REFINEMENT
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.finite_difference.noise import SCATTER_SAFETY, machine_epsilon
from verifier.oracles.functions.projection import scale_of
from verifier.oracles.functions.trial import LARGEST_STEP
from verifier.tolerance import SAFETY

FIRST = 3  # problems that are differenced whatever PyTorch says
# A line's tolerance is at least what rounding of the projected outputs does to it: last bits of their level, times the safety of the noise,
# carried through the extrapolation ((16 · 4 + 1) / 15 of the noise over the step), over the longest step, times κ. That of one-sided slopes
# is larger still: their steps are short.
UNSEEN = KAPPA * SCATTER_SAFETY * (16 * REFINEMENT + 1) / 15 / LARGEST_STEP


class Agreement:
    """Of one layer with its operation, problem after problem."""

    def __init__(self, asking: LayerAsking, found: Examined) -> None:
        self._asking, self._found = asking, found
        self._known: tuple[Variants, Mapping[str, Any]] | None = None
        self._looked = False

    def tells(self, problem: LayerProblem, answered: Answered) -> bool:
        """Whether this problem need not be differenced; it must be among the answers already."""
        if not self._settled(answered):
            return False
        known = self._operation()
        return known is not None and self._is_the_same(problem, answered, *known)

    def _settled(self, answered: Answered) -> bool:
        """Whether enough was differenced, all of it right, and each gradient decided."""
        found = self._found
        decided = all(found.resolves.get(name, float("inf")) <= DECISIVE for name in answered.gradients)
        return found.differenced >= FIRST and decided and not found.departures

    def _operation(self) -> tuple[Variants, Mapping[str, Any]] | None:
        """What its operation may mean here, and which choice it is."""
        if not self._looked:
            self._looked = True
            variants = variants_of(self._found, self._asking.outputs)
            choice = None if variants is None else best_choice(variants, self._found)
            self._known = None if variants is None or choice is None else (variants, choice)
        return self._known

    def _is_the_same(self, problem: LayerProblem, answered: Answered, variants: Variants, choice: Mapping[str, Any]) -> bool:
        found, names = self._found, self._asking.outputs
        assert found.claims.entry is not None
        operation = found.claims.entry.name
        one = next(compared_problems(found, names, variants.layout, (problem.index,)))
        values = {**choice, **one.values}
        epsilon = machine_epsilon(np.float32 if found.inside_of(problem) == "float32" else np.float64)
        projected = [(answered.cotangents[name] * answered.outputs[name]).ravel() for name in names]
        unseen = UNSEEN * epsilon * float(np.linalg.norm(np.concatenate(projected)))
        right = found.references.outputs_of(operation, one.arrays, values)
        return any(
            self._off(one, variants, values, cotangents) <= unseen for cotangents in usual_cotangents(one, right, partial(_alike, epsilon))
        )

    def _off(self, one: Compared, variants: Variants, values: Mapping[str, Any], cotangents: Sequence[FloatArray]) -> float:
        """The most by which the gradients can be off along any line: every element's error, in variables that are scaled to size 1."""
        found, parts = self._found, variants.layout or {}
        assert found.claims.entry is not None
        roles = roles_by_array(variants.layout, found)
        asked = [roles[name] for name in one.claimed]
        right = found.references.gradients_of(found.claims.entry.name, one.arrays, values, cotangents, asked)
        if right is None:
            return float("inf")
        off = 0.0
        for name, claimed in one.claimed.items():
            own = as_claimed(right[roles[name]], parts.get(roles[name]), claimed)
            if own is None:
                return float("inf")
            off += float(np.abs(claimed - own).sum()) * scale_of(np.asarray(one.problem.arrays[name], dtype=np.float64))
        return off


def _alike(epsilon: float, claimed: FloatArray, right: FloatArray) -> bool:
    """Whether an output is the operation's within last bits of its largest element."""
    return bool(np.abs(claimed - right).max(initial=0.0) <= SAFETY * epsilon * np.abs(right).max(initial=0.0))
