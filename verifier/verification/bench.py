"""Where candidates are judged one after another: a zygote, what their contracts have drawn, and what holds for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Isolation, Zygote
from verifier.contracts.catalogue import contract_of
from verifier.results.outcome import Outcome
from verifier.verification.grading import Grading
from verifier.verification.record import Judged, Request, Run

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Setting:
    """What holds for every candidate of a run; plain data, which another process can be given."""

    request: Request
    limits: Limits
    isolation: Isolation
    grading: Grading


class Bench:
    """Judges candidates; a context manager."""

    def __init__(self, setting: Setting, tell: Progress) -> None:
        self._grading = setting.grading
        self._zygote = Zygote(isolation=setting.isolation)
        self._run = Run(self._zygote, setting.limits, setting.request, tell)

    def judge(self, candidate: Candidate, found: Callable[[Outcome], None]) -> Judged:
        """The graded report of a candidate; `found` is called with each outcome at once. Raises what the run of it raises."""
        return self._grading.of(judging_of(candidate).judge(self._run, candidate, found), candidate)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._zygote.close()


def judging_of(candidate: Candidate) -> Any:
    """The module that judges by the candidate's contract; it has `judge` and `replay`."""
    return import_module(contract_of(candidate.contract).judging)
