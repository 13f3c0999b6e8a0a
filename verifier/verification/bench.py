"""Where candidates are judged one after another: a zygote, what their contracts have drawn, and what holds for all of them."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from verifier.verification.unjudged import unjudged

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Setting:
    """What holds for every candidate of a run; plain data, which another process can be given.

    `run_limit`: seconds that the whole run may take; `ends` is when it must be over, by the monotonic clock that all processes share.
    """

    request: Request
    limits: Limits
    isolation: Isolation
    grading: Grading
    run_limit: float = math.inf
    ends: float = math.inf


class Bench:
    """Judges candidates; a context manager."""

    def __init__(self, setting: Setting, tell: Progress) -> None:
        self._setting = setting
        self._zygote = Zygote(isolation=setting.isolation)
        self._run = Run(self._zygote, setting.limits, setting.request, tell)

    def judge(self, candidate: Candidate, found: Callable[[Outcome], None]) -> Judged:
        """The graded report of a candidate; `found` is called with each outcome at once. Raises what the run of it raises.

        A candidate may use what is left of the run's time, and what that ends is no verdict on it.
        """
        left = self._seconds_left()
        if left <= 0:
            return self._cut(candidate, "before it was asked")
        limits = self._setting.limits
        within = replace(limits, load_seconds=min(limits.load_seconds, left), all_wall_seconds=min(limits.all_wall_seconds, left))
        judged: Judged = judging_of(candidate).judge(replace(self._run, limits=within), candidate, found)
        if judged.report.verdict == "error" and self._seconds_left() <= 0:
            return self._cut(candidate, "while it was asked")
        return self._setting.grading.of(judged, candidate)

    def _seconds_left(self) -> float:
        return self._setting.ends - time.monotonic()

    def _cut(self, candidate: Candidate, when: str) -> Judged:
        why = f"the {self._setting.run_limit:g} s of the whole run (--run-limit) were over {when}"
        judged = unjudged(candidate.name, candidate.path, candidate.contract, {}, why, self._setting.request, verdict="inconclusive")
        return replace(self._setting.grading.of(judged, candidate), cut=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._zygote.close()


def judging_of(candidate: Candidate) -> Any:
    """The module that judges by the candidate's contract; it has `judge` and `replay`."""
    return import_module(contract_of(candidate.contract).judging)
