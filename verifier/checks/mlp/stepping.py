"""One step of a candidate."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.checks.examination import Examination
from verifier.contracts.mlp.calling import read_update, update_call
from verifier.problems.program import Problem

FloatArray = NDArray[np.floating]


def step(examination: Examination, problem: Problem, rate: float, *, where: str) -> dict[str, FloatArray]:
    """The parameters after one step of the candidate."""

    def read(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
        return read_update(tree, arrays, problem, examination.claims)

    answer: dict[str, FloatArray] = examination.asking.call(problem, update_call(problem, examination.claims, rate), read, where=where)
    return answer
