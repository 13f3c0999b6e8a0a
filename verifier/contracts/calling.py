"""What a contract says of calling: one call of a candidate's function, and what makes such calls and reads their answers.

A message to a worker is plain data: values to keep, then calls over them. What comes back is believed only after a contract has checked
its number, shape and size; values are the checks' to judge.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation

FloatArray = NDArray[np.floating]
Arrays = Mapping[str, NDArray[Any]]
Tree = str | None | list[Any]


@dataclass(frozen=True)
class Call:
    """One call of a candidate's function, as the worker takes it: which function, over which values, and the form of its answer.

    `numbers` go in after the values; `parts` are the names of the answer's parts, for messages; `loss` is the part that is the loss,
    None where there is none. `in_place`: whether it may change its arguments. `state`: "new" or "kept" where it may take and return
    a state as its last value: None goes in at first, then what it returned.
    """

    function: str
    arguments: tuple[str, ...]
    keywords: Mapping[str, Any]
    form: Tree
    numbers: tuple[float, ...] = ()
    parts: tuple[str, ...] = ()
    loss: int | None = None
    in_place: bool = False
    state: str = ""

    def message(self, *, echo: bool = False) -> dict[str, Any]:
        return {
            "function": self.function,
            "arguments": list(self.arguments),
            "numbers": list(self.numbers),
            "keywords": dict(self.keywords),
            "form": self.form,
            "parts": list(self.parts),
            "echo": echo,
            "state": self.state,
        }


class Calling(Protocol):
    """How the problems of a contract are put to a candidate: a module with these functions. Readers raise AnswerError."""

    def values_of(self, problem: Problem, claims: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The arguments by name for a worker to keep (each an array or a list of them), and their arrays in the claimed layout."""

    def to_claimed(self, name: str, array: NDArray[Any], claims: Any) -> NDArray[Any]:
        """An array of a problem, or a direction in which it moves, as the candidate takes it."""

    def entry_of(self, functions: Collection[str], named: str) -> str:
        """The function that is asked for gradients, where the manifest names this one."""

    def entry_call(self, problem: Problem, claims: Any, entry: str) -> Call:
        """The call that asks for gradients."""

    def read_entry(self, tree: Tree, arrays: Arrays, problem: Problem, claims: Any, entry: str) -> Evaluation:
        """What came back from it."""

    def optional_calls(self, problem: Problem, claims: Any) -> Mapping[str, Call]:
        """Calls of functions that a candidate may have besides, by function; "predict" is the one that gives outputs."""

    def read_outputs(self, tree: Tree, arrays: Arrays, problem: Problem, claims: Any) -> FloatArray:
        """Outputs that came back from `predict`."""

    def advice(self, kind: str, text: str) -> str:
        """What to do about an exception of this type and text where the contract brought it about, else ""."""


Read = Callable[[Any, Arrays], Any]
