"""What a contract says of calling: one call of a candidate's function, and what makes such calls and reads their answers.

A message to a worker is plain data: values to keep, then calls over them. What comes back is believed only after a contract has checked
its number, shape and size; values are the checks' to judge.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation

Arrays = Mapping[str, NDArray[Any]]
Tree = str | None | list[Any]


Read = Callable[[Any, Arrays], Any]


@dataclass(frozen=True)
class Call:
    """One call of a candidate's function, as the worker takes it: which function, over which values, and the form of its answer.

    Attributes:
        form: "array", "arrays" (a list of them), "nothing" (what is not looked at), or a list of these for a tuple.
        numbers: go in after the values.
        parts: names of the answer's parts, for messages.
        loss: the part that is the loss, None where there is none.
        projected: values that the answer's first parts are multiplied by and summed where a loss is asked for: their cotangents.
        keep: parts that stay in the worker, of any type, as values of these names.
        before: calls that are made first, in this order, whose kept parts are arguments; their forms are read before this one's.
        in_place: whether it may change its arguments.
        state: "new" or "kept" where it may take and return a state as its last value: None goes in at first, then what it returned.
    """

    function: str
    arguments: tuple[str, ...]
    keywords: Mapping[str, Any]
    form: Tree
    numbers: tuple[float, ...] = ()
    parts: tuple[str, ...] = ()
    loss: int | None = None
    projected: tuple[str, ...] = ()
    keep: Mapping[int, str] = field(default_factory=dict)
    before: tuple["Call", ...] = ()
    in_place: bool = False
    state: str = ""

    def messages(self, *, echo: bool = False, watch: bool = False) -> list[dict[str, Any]]:
        """This call and those before it as a worker takes them; `echo` asks for all their arguments afterwards, `watch` for this one's."""
        before = (message for call in self.before for message in call.messages(echo=echo))
        return [*before, {**self.message(), "echo": echo, "watch": watch}]

    def message(self) -> dict[str, Any]:
        """This call alone."""
        return {
            "function": self.function,
            "arguments": list(self.arguments),
            "numbers": list(self.numbers),
            "keywords": dict(self.keywords),
            "form": self.form,
            "parts": list(self.parts),
            "keep": {name: part for part, name in self.keep.items()},
            "state": self.state,
        }


@dataclass(frozen=True)
class Namesake:
    """A candidate's function that shares the name of an optional one, and is a helper of its own, or may be.

    Attributes:
        call: its own call, as text.
        trial: where its parameters do not tell: the contract's call of it for a problem, and how an answer is read. It is a helper if it
            answers no problem in that form.
    """

    call: str
    trial: Callable[[Problem], tuple[Call, Read]] | None = None


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

    def namesakes(self, parameters: Mapping[str, Sequence[str]], claims: Any) -> Mapping[str, Namesake]:
        """Of functions with these parameters, those that only share the name of an optional one, or may."""

    def advice(self, kind: str, text: str) -> str:
        """What to do about an exception of this type and text where the contract brought it about, else ""."""
