"""What a run is asked, what it gives back, and what the report of every contract has."""

import math
import platform
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.results.outcome import Outcome, Verdict
from verifier.results.report import SCHEMA_VERSION, CandidateRecord, Isolation, Report
from verifier.verification.corpus import versions
from verifier.verification.profiles import Profile
from verifier.verification.workers import Workers


@dataclass(frozen=True)
class Request:
    """What is asked of a run.

    Attributes:
        profile: its size.
        only: the checks to which it is limited; all where none is named.
        trusts_references: whether the references that candidates' files name may run with the user's rights.
        time_limit: seconds that one candidate may take, by asking about fewer networks, or nothing more where the fewest take longer.
        rung: how much fewer, where that is settled.
        requires: "backpropagation" where an assignment asks for it and not for right numbers alone.
        references: the folder that an assignment's references are beside; "" where there is none.
        assigned: whether an assignment says what is asked, so that what is not written yet counts.
    """

    profile: Profile
    seed: int
    only: tuple[str, ...] = ()
    trusts_references: bool = False
    time_limit: float = math.inf
    rung: int | None = None
    requires: str = ""
    assigned: bool = False
    references: str = ""

    def wants(self, check: str) -> bool:
        """Whether a check is asked for: all are where none is named."""
        return not self.only or check in self.only


@dataclass(frozen=True)
class Run:
    """One run over candidates: who starts workers, what they may use, what is asked, and whom to report progress to.

    `corpora`: what contracts have drawn so far, by claims, for the candidates still to come.
    """

    zygote: Zygote
    limits: Limits
    request: "Request"
    progress: Callable[[str, int, int], None]
    corpora: dict[Hashable, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """A report, and the bytes of the counterexample file that belongs beside it.

    `position`: of its candidate in the run, where reports come as they are finished. `kept`: whether it is an earlier run's. `cut`: whether
    the limit of the whole run came before its verdict.
    """

    report: Report
    counterexample: bytes | None
    position: int = 0
    kept: bool = False
    cut: bool = False


class Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Count what has passed since the last lap to a phase."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now


def described(candidate: Candidate, claims: dict[str, Any] | None = None, manifest: dict[str, Any] | None = None) -> CandidateRecord:
    """A candidate as a report has it; its claims are those of its manifest, defaults included, unless others are given."""
    all_of_them = candidate.claims.as_manifest(defaults=True) if claims is None else claims
    return CandidateRecord(candidate.name, candidate.path, candidate.contract, all_of_them, manifest or {})


def report_of(
    candidate: CandidateRecord,
    request: Request,
    worker: Workers | None,
    outcomes: Sequence[Outcome],
    *,
    verdict: Verdict,
    summary: str,
    seconds: Mapping[str, float],
    **more: Any,
) -> Report:
    """A report with what that of every contract has; `more` are the fields that a contract fills beside these."""
    fields = {"measurements": (), "notes": (), "diagnosis": (), "counterexample": None, **more}
    return Report(
        schema_version=SCHEMA_VERSION,
        verdict=verdict,
        summary=summary,
        candidate=candidate,
        profile=request.profile.name,
        seed=request.seed,
        checks=tuple(outcomes),
        isolation=_isolation({} if worker is None else worker.isolation),
        environment=environment(),
        printed=worker.printed() if worker is not None and verdict in ("fail", "error") else "",
        only=request.only,
        timings={phase: round(taken, 4) for phase, taken in seconds.items()},
        **fields,
    )


def _isolation(hello: Mapping[str, object]) -> Isolation:
    """What the worker's hello says of its confinement; it was sent before the candidate's code was loaded."""
    abi, reason, own_user = hello.get("landlock_abi"), hello.get("reason"), hello.get("own_user")
    return Isolation(
        files=hello.get("files") is True,
        system_calls=hello.get("system_calls") is True,
        limits=hello.get("limits") is True,
        landlock_abi=abi if isinstance(abi, int) else None,
        reason=reason if isinstance(reason, str) else None,
        own_user=own_user if isinstance(own_user, bool) else None,
        known=bool(hello),
    )


def environment() -> dict[str, str]:
    """What the run was made with; read without importing it."""
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        **versions(),
    }
