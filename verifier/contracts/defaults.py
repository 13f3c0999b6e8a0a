"""What most contracts say of calling and of problems, for one to import into its own modules where it has nothing else to say."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.contracts.calling import Arrays, Namesake, Tree
from verifier.errors import AnswerError
from verifier.problems.program import Problem


def taken(name: str, leaf: Tree, arrays: Arrays, shape: tuple[int, ...]) -> FloatArray:
    """The array that came back for a tensor, in float64. Raises AnswerError where there is none, or it has another shape."""
    if not isinstance(leaf, str) or leaf not in arrays:
        raise AnswerError(f"{name} came back as nothing; it must be an array.")
    if arrays[leaf].shape != shape:
        raise AnswerError(f"{name} came back with shape {arrays[leaf].shape}; it must have shape {shape}.")
    return np.asarray(arrays[leaf], dtype=np.float64)


def to_claimed(name: str, array: NDArray[Any], claims: Any) -> NDArray[Any]:
    """The array as it is."""
    return np.array(array, order="C")


def entry_of(functions: Collection[str], named: str) -> str:
    """The function that the manifest names, or the contract's own."""
    return named


def namesakes(parameters: Mapping[str, Sequence[str]], claims: Any) -> Mapping[str, Namesake]:
    """Every function that has the name of an optional one is meant as it."""
    return {}


def advice(kind: str, text: str) -> str:
    """No exception is brought about by the contract."""
    return ""


def held_bytes(plan: Any, claims: Any) -> int:
    """Every problem is small."""
    return 0


def shows(plan: Any) -> set[object]:
    """One problem shows what any other does."""
    return {"a problem"}


def is_ordinary(problem: Problem, stages: Mapping[str, FloatArray]) -> bool:
    """Whatever is drawn is within the range where right code keeps its digits."""
    return True


def under(problem: Problem, claims: Any) -> Problem:
    """A problem does not depend on its claims."""
    return problem


def refusals(problem: Problem, claims: Any) -> list[str]:
    """Every stored problem of the contract is one to be asked."""
    return []


def data_part(gradients: Mapping[str, FloatArray], problem: Problem) -> dict[str, FloatArray]:
    """All of every gradient depends on the samples."""
    return dict(gradients)


def sample_of(problem: Problem, row: int, claims: Any) -> Problem:
    """Never asked: a contract whose problems have a batch says it itself."""
    raise NotImplementedError(f"the contract {problem.contract} offers a batch, and does not say what a sample is")


def losses_of_outputs(problem: Problem, claims: Any, outputs: FloatArray, parameters: Mapping[str, FloatArray]) -> FloatArray:
    """Never asked where the outputs are projected in the worker."""
    raise NotImplementedError(f"the contract {problem.contract} neither projects its outputs nor says what their loss is")


def read_outputs(tree: Tree, arrays: Arrays, problem: Problem, claims: Any) -> FloatArray:
    """Never asked where the program has no outputs to compare."""
    raise NotImplementedError(f"the contract {problem.contract} does not say how its outputs are read")


def share_of_sample(problem: Problem, claims: Any) -> float:
    """A batch's loss is the sum of its samples'."""
    return 1.0
