"""What a candidate answered already: answers that came together with another, kept until each is asked for."""

from collections.abc import Sequence
from typing import Any

from verifier.candidates.session import Answer
from verifier.contracts.calling import Call
from verifier.problems.program import Problem

Result = dict[str, Any]


class KeptAnswers:
    """By problem and call. Each is given once: whoever asks again is checking whether it is the same."""

    def __init__(self) -> None:
        # The problem is held, so that no other can have its id.
        self._kept: dict[int, tuple[Problem, list[tuple[Call, Answer, Sequence[Result]]]]] = {}

    def keep(self, problem: Problem, calls: Sequence[Call], answer: Answer) -> None:
        """Keep the results of these calls, which one answer holds."""
        results = iter(answer.message["results"])
        self._kept[id(problem)] = problem, [(call, answer, [next(results) for _ in call.messages()]) for call in calls]

    def take(self, problem: Problem, call: Call) -> tuple[Answer, Sequence[Result]] | None:
        """The answer to this call, if it is kept."""
        _, kept = self._kept.get(id(problem), (problem, []))
        found = next((position for position, (asked, _, _) in enumerate(kept) if asked == call), None)
        return None if found is None else kept.pop(found)[1:]
