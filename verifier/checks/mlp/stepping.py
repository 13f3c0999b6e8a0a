"""One step of a candidate, and the reference where a path of steps has come to."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier import textbook
from verifier.checks.examination import Examination
from verifier.contracts.mlp.calling import read_update, update_call
from verifier.contracts.mlp.network import architecture_of
from verifier.contracts.mlp.numbers import is_ordinary
from verifier.oracles.reference import Reference, refer
from verifier.oracles.scatter import touches_a_kink
from verifier.problems.program import Problem
from verifier.tolerance import SAFETY

FloatArray = NDArray[np.floating]


def step(examination: Examination, problem: Problem, rate: float, *, where: str) -> dict[str, FloatArray]:
    """The parameters after one step of the candidate."""

    def read(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
        return read_update(tree, arrays, problem, examination.claims)

    answer: dict[str, FloatArray] = examination.asking.call(problem, update_call(problem, examination.claims, rate), read, where=where)
    return answer


def trusted_reference(problem: Problem, *, seed: int) -> Reference | None:
    """The reference where the path has come to, or None where it left the ordinary range or stands at a kink."""
    values = textbook.evaluate(problem).stages
    if not is_ordinary(problem, architecture_of(problem), values):
        return None
    reference = refer(problem, seed=seed)
    return None if touches_a_kink(problem, reference.scatter, SAFETY) else reference
