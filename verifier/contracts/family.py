"""What a contract says of its problems: what is drawn, what is ordinary, what is smaller, and what one sample of a batch is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from verifier.arrays import FloatArray
from verifier.problems.program import Problem


class Shelf(NamedTuple):
    """Small problems of one kind (of one depth, say), smallest first, and a few that tell quickly whether a mistake shows there."""

    probing: Iterable[Problem]
    smallest: Iterable[Problem]


class Family(Protocol):
    """The problems of a contract: a module with these functions. A *plan* is what a problem is but for its numbers."""

    def draw_plans(self, claims: Any, *, seed: int, ordinary: int, extreme: int, most_bytes: int) -> Sequence[Any]:
        """So many plans of ordinary problems, then of problems beyond the range in which right code keeps its digits.

        Those of free size are small enough to be held in `most_bytes`, see `held_bytes`.
        """

    def draw_problem(self, plan: Any, claims: Any, *, seed: int, index: int, attempt: int, calm: bool) -> Problem:
        """The problem of a plan with the numbers of (seed, index, attempt); of `calm` ones where others always stood at a kink."""

    def held_bytes(self, plan: Any, claims: Any) -> int:
        """What a problem takes in memory during a run, with its answers."""

    def shows(self, plan: Any) -> set[object]:
        """The choices of the claims that a problem is an example of: each is in every corpus, room or no room."""

    def is_ordinary(self, problem: Problem, stages: Mapping[str, FloatArray]) -> bool:
        """Whether the values on the way lie within the range where right code keeps its digits."""

    def under(self, problem: Problem, claims: Any) -> Problem:
        """The same numbers, judged by other claims. Raises RequestError where they do not fit these."""

    def refusals(self, problem: Problem, claims: Any) -> list[str]:
        """What a stored problem has that the claims do not say that a candidate computes."""

    def shelves(self, claims: Any, like: Problem) -> Iterator[Shelf]:
        """Smaller problems than one that failed, in the order in which they are searched."""

    def sample_of(self, problem: Problem, row: int, claims: Any) -> Problem:
        """The same problem on one sample of its batch; asked of problems with a size "batch" alone."""

    def share_of_sample(self, problem: Problem, claims: Any) -> float:
        """What the gradient of one sample counts in the batch's: 1, or 1 ÷ batch where the loss is a mean."""

    def data_part(self, gradients: Mapping[str, FloatArray], problem: Problem) -> dict[str, FloatArray]:
        """The gradients without what does not depend on the samples (a regularisation)."""

    def losses_of_outputs(self, problem: Problem, claims: Any, outputs: FloatArray, parameters: Mapping[str, FloatArray]) -> FloatArray:
        """The claimed loss over outputs with points as their leading axis; one loss a point."""
