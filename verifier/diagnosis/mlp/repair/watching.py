"""What a repair sees of a candidate: the values that each line sets, and the answer where others are put in their place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from verifier.arrays import FloatArray
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation


@dataclass(frozen=True)
class Slot:
    """A place in the source where something is set: `name` is the variable with its indices left open, or `return`."""

    file: str
    line: int
    function: str
    name: str


@dataclass(frozen=True)
class Setting:
    """A value that was set: where, and the variable as it is written (`deltas[1]`)."""

    slot: Slot
    path: str
    value: FloatArray


@dataclass(frozen=True)
class Put:
    """What goes into a slot: by the shape of what is there, the arrays that take its place one after another, the last again and again."""

    slot: Slot
    choices: Mapping[tuple[int, ...], tuple[FloatArray, ...]]


@dataclass(frozen=True)
class Watched:
    """One call: what it answered (None where that is not usable), and what was set, in order."""

    evaluation: Evaluation | None
    settings: tuple[Setting, ...] = ()


# Several calls for one problem, each with its puts; `recorded`: whether the settings are asked for. None where watching has ended.
Watch = Callable[[Problem, Sequence[Sequence[Put]], bool], Sequence[Watched] | None]
