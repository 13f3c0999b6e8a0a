"""What a run found -> its report: the headline, the notes, the counterexample, and what the run was made with."""

import math
import platform
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.checks import autograd, contract, forward, stability
from verifier.checks.catalogue import check_ids, check_of
from verifier.checks.examination import Examination, Finding, departs
from verifier.contracts.convention import Convention
from verifier.problems.storage import problem_to_bytes
from verifier.results.evaluation import FloatArray
from verifier.results.outcome import Measurement, Outcome, Verdict
from verifier.results.report import (
    COUNTEREXAMPLE_FILE,
    SCHEMA_VERSION,
    CandidateRecord,
    Certificate,
    Counterexample,
    Diagnosis,
    Isolation,
    Note,
    OwnLine,
    Report,
)
from verifier.verification.asking import Interview
from verifier.verification.corpus import versions
from verifier.verification.explaining import Diagnosed
from verifier.verification.profiles import Profile
from verifier.verification.shrinking import Shrunk
from verifier.verification.witnesses import verdict_of


@dataclass(frozen=True)
class Request:
    """What is asked of a run.

    Attributes:
        profile: its size.
        only: the checks to which it is limited; all where none is named.
        trusts_references: whether the references that candidates' files name may run with the user's rights.
        time_limit: seconds that one candidate may take, by asking about fewer networks.
        rung: how much fewer, where that is settled.
        requires: "backpropagation" where an assignment asks for it and not for right numbers alone.
    """

    profile: Profile
    seed: int
    only: tuple[str, ...] = ()
    trusts_references: bool = False
    time_limit: float = math.inf
    rung: int | None = None
    requires: str = ""

    def wants(self, check: str) -> bool:
        return not self.only or check in self.only


@dataclass(frozen=True)
class Run:
    """One run over candidates: who starts workers, what they may use, what is asked, and who is told how far it is.

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


@dataclass(frozen=True)
class Asked:
    """Every finding in order, and what is known beside them."""

    findings: Mapping[str, Finding]
    examination: Examination | None
    convention: Convention | None = None
    diagnosed: Diagnosed | None = None
    undecided: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    contradicted: bool = False
    certificate: Certificate | None = None
    own_lines: tuple[OwnLine, ...] = ()
    rung: int = 0

    @property
    def diagnosis(self) -> tuple[Diagnosis, ...]:
        """The explanations, best first."""
        return () if self.diagnosed is None else self.diagnosed.diagnosis


def write_down(
    candidate: Candidate, request: Request, asked: Asked, shrunk: Shrunk | None, interview: Interview, seconds: Mapping[str, float]
) -> Judged:
    """The report of a run, and the file of its counterexample."""
    outcomes = tuple(asked.findings[check].outcome for check in check_ids() if check in asked.findings)
    measurements = tuple(m for check in check_ids() if check in asked.findings for m in asked.findings[check].measurements)
    verdict: Verdict = verdict_of(outcomes, asked.undecided, contradicted=asked.contradicted)  # type: ignore[assignment]
    counterexample, stored = (None, None) if shrunk is None else _stored(shrunk)
    report = Report(
        schema_version=SCHEMA_VERSION,
        verdict=verdict,
        summary=_summary(verdict, outcomes, asked, shrunk),
        candidate=CandidateRecord(
            candidate.name,
            candidate.path,
            candidate.contract,
            candidate.claims.as_manifest(defaults=True),
            candidate.claims.as_manifest(),
        ),
        profile=request.profile.name,
        seed=request.seed,
        checks=outcomes,
        measurements=measurements,
        notes=(*_notes(verdict, outcomes, asked.convention), *asked.notes),
        diagnosis=asked.diagnosis,
        counterexample=counterexample,
        isolation=_isolation(interview.isolation),
        environment=environment(),
        printed=interview.printed() if verdict in ("fail", "error") else "",
        only=request.only,
        certificate=asked.certificate if verdict == "pass" else None,
        timings={phase: round(taken, 4) for phase, taken in seconds.items()},
        place=asked.own_lines[0].place if asked.own_lines and verdict == "fail" else "",
        own_lines=asked.own_lines if verdict == "fail" else (),
        rung=asked.rung,
        reason=asked.findings[contract.ID].reason if verdict == "error" and contract.ID in asked.findings else "",
    )
    return Judged(report, stored)


def _stored(shrunk: Shrunk) -> tuple[Counterexample, bytes]:
    problem = shrunk.answered.problem
    record = Counterexample(
        file=COUNTEREXAMPLE_FILE,
        problem=problem.description,
        check=shrunk.check,
        arrays={name: array.tolist() for name, array in problem.arrays.items()},
        claimed={name: _finite(gradient) for name, gradient in shrunk.answered.claimed.gradients.items()},
        reference={name: gradient.tolist() for name, gradient in shrunk.answered.reference.gradients.items()},
        walkthrough=shrunk.walkthrough,
    )
    return record, problem_to_bytes(problem)


def _finite(array: FloatArray) -> object:
    """Nested lists; a number that JSON does not have becomes a word."""
    if array.ndim > 0:
        return [_finite(part) for part in array]
    value = float(array)
    return value if np.isfinite(value) else str(value)


def _summary(verdict: Verdict, outcomes: Sequence[Outcome], asked: Asked, shrunk: Shrunk | None) -> str:
    by_id = {outcome.id: outcome for outcome in outcomes}
    if verdict == "pass":
        return _passed(by_id, asked)
    if verdict == "inconclusive":
        if asked.contradicted:
            return f"The witnesses contradict each other. {by_id['finite-difference'].message}"
        if not asked.undecided:
            skipped = next(outcome for outcome in outcomes if outcome.status == "skipped")
            return f"Nothing was asked that could decide. {skipped.id}: {skipped.message}"
        tensors = ", ".join(asked.undecided)
        return (
            f"Nothing could be decided about {tensors}: neither finite differences nor autograd can tell right from wrong there, "
            "or the right gradient is zero or within its tolerance on nearly every network."
        )
    asked_all = by_id.get(contract.ID)
    if asked_all is not None and asked_all.status == "error" and 2 * asked_all.failed > asked_all.problems:
        return asked_all.message  # where most calls raise, what the others answer is no use yet
    wanted = "fail" if verdict == "fail" else "error"
    headline = min((outcome for outcome in outcomes if outcome.status == wanted), key=lambda outcome: check_of(outcome.id).headline)
    if shrunk is None or verdict == "error":
        return asked.diagnosis[0].explanation if asked.diagnosis else headline.message
    explained = [asked.diagnosis[0].explanation] if asked.diagnosis else []
    wrong = [measurement for measurement in shrunk.finding.measurements if measurement.status == "fail"]
    network = f"On the smallest failing network ({shrunk.answered.problem.description})"
    if wrong:
        return " ".join([*explained, f"{network}, {departs(max(wrong, key=_magnitude))}"])
    return " ".join(explained or [f"{network}: {shrunk.finding.outcome.message}"])


def _magnitude(measurement: Measurement) -> float:
    return measurement.error if measurement.error is not None and np.isfinite(measurement.error) else np.inf


def _passed(by_id: Mapping[str, Outcome], asked: Asked) -> str:
    passed = [outcome for outcome in by_id.values() if outcome.status == "pass"]
    compared = by_id.get(autograd.ID)
    stepped = compared is not None and compared.status == "skipped" and len(passed) > 1  # it answered for more than it was judged on
    networks = max((outcome.problems for outcome in passed if not stepped or outcome.id != contract.ID), default=0)
    power = ""
    if compared is not None and compared.resolves is not None:
        power = f"; autograd would have seen errors above {compared.resolves:.1g} of a tensor's largest element (median)"
    convention, noted = asked.convention, ""
    if convention is not None and convention.declared:
        noted = f" Its gradient is that of the loss without {convention.manifest_line}."
    elif convention is not None:
        noted = f" It uses a convention that it does not declare: {convention.manifest_line}."
    return f"Right on {networks} networks in {len(passed)} checks{power}.{noted}"


def _notes(verdict: Verdict, outcomes: Sequence[Outcome], convention: Convention | None) -> tuple[Note, ...]:
    # Of wrong code, that it is wrong on saturated networks too is no news.
    told = [outcome for outcome in outcomes if verdict == "pass" or outcome.id != stability.ID]
    notes = [Note(outcome.id, text) for outcome in told for text in outcome.notes]
    if convention is not None:
        if convention.declared:
            text = "The gradient is that of the loss without the convention that the manifest declares; the loss is held to this line:"
        elif convention.gradient_too:
            text = "Loss and gradient follow a convention that the manifest does not declare; with this line they are held to it:"
        else:
            text = "The loss follows a convention that the manifest does not declare, and the gradient is that of the loss without it:"
        notes.insert(0, Note(forward.ID, text, convention.manifest_line))
    return tuple(notes)


def _isolation(told: Mapping[str, object]) -> Isolation:
    """What the worker's hello says of its confinement; it was sent before the candidate's code was loaded."""
    abi, reason, own_user = told.get("landlock_abi"), told.get("reason"), told.get("own_user")
    return Isolation(
        files=told.get("files") is True,
        system_calls=told.get("system_calls") is True,
        limits=told.get("limits") is True,
        landlock_abi=abi if isinstance(abi, int) else None,
        reason=reason if isinstance(reason, str) else None,
        own_user=own_user if isinstance(own_user, bool) else None,
        known=bool(told),
    )


def environment() -> dict[str, str]:
    """What the run was made with; read without importing it."""
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        **versions(),
    }
