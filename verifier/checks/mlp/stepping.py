"""Steps of a candidate, one or a path of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.checks.examination import Examination
from verifier.contracts.mlp.calling import read_update, update_call
from verifier.contracts.mlp.network import with_arrays
from verifier.oracles.reference import Reference, refer_if_deciding
from verifier.oracles.steps import Path
from verifier.problems.program import Problem


def step(examination: Examination, problem: Problem, rate: float, *, where: str, goes_on: bool = False) -> dict[str, FloatArray]:
    """The parameters after one step of the candidate; `goes_on`: with the state that its last step returned."""

    def read(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
        return read_update(tree, arrays, problem, examination.claims)

    call = update_call(problem, examination.claims, rate, goes_on=goes_on)
    answer: dict[str, FloatArray] = examination.asking.call(problem, call, read, where=where)
    return answer


def walk(examination: Examination, problem: Problem, rate: float, *, steps: int, seed: int, where: str) -> Path:
    """The candidate's own path from this network, while its networks are ordinary; a new worker, so that nothing is carried into it."""
    forget = getattr(examination.asking, "forget", None)  # a candidate in this process has nothing to forget
    if forget is not None:
        forget()
    problems: list[Problem] = []
    references: list[Reference] = []
    afters: list[dict[str, FloatArray]] = []
    for count in range(steps):
        reference = refer_if_deciding(problem, seed=seed)
        if reference is None:
            break
        after = step(examination, problem, rate, where=f"Step {count + 1} of a path. {where}", goes_on=count > 0)
        problems.append(problem)
        references.append(reference)
        afters.append(after)
        if not all(np.isfinite(value).all() for value in after.values()):
            break
        problem = with_arrays(problem, {name: value.astype(problem.dtype) for name, value in after.items()})
    return Path(problems, references, afters, rate)
