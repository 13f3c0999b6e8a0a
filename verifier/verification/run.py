"""One candidate, its corpus, the checks in order -> a report. A function of its arguments, without globals or signal handlers."""

import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.checks import (
    autograd,
    batch_additivity,
    contract,
    finite_difference,
    forward,
    purity,
    stability,
    stages,
    unit_permutation,
    update,
)
from verifier.checks.catalogue import check_ids
from verifier.checks.examination import Examination, Finding, Item, Unanswered, compare_gradients, departs
from verifier.checks.finite_difference import role_of, undecided_roles
from verifier.contracts.mlp.network import with_claims
from verifier.diagnosis.factors import Answered, explain_by_a_factor
from verifier.diagnosis.precision import explain_by_precision
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.reference import refer
from verifier.problems.storage import problem_to_bytes
from verifier.results.evaluation import Evaluation, FloatArray
from verifier.results.outcome import Outcome, Verdict
from verifier.results.report import SCHEMA_VERSION, CandidateRecord, Counterexample, Diagnosis, Isolation, Note, Report
from verifier.verification.asking import Interview
from verifier.verification.conventions import Convention, find_convention
from verifier.verification.corpus import Corpus, versions
from verifier.verification.profiles import Profile
from verifier.verification.shrinking import shrink
from verifier.verification.witnesses import Testimony, heard_again, verdict_of, weigh

COUNTEREXAMPLE_FILE = "counterexample.safetensors"

Check = Callable[[Examination], Finding]
Progress = Callable[[str, int, int], None]

# Asked one network at a time when the smallest failing one is sought, and in this order of preference.
_SHRINKABLE: Mapping[str, Check] = {
    purity.ID: purity.check,
    autograd.ID: autograd.check,
    forward.ID: forward.check,
    stages.ID: stages.check,
    update.ID: update.check,
    batch_additivity.ID: batch_additivity.check,
    unit_permutation.ID: unit_permutation.check,
}
# Which failure is the headline: the one that causes the others first.
_HEADLINES = (
    purity.ID,
    contract.ID,
    autograd.ID,
    finite_difference.ID,
    forward.ID,
    update.ID,
    stages.ID,
    batch_additivity.ID,
    unit_permutation.ID,
)


@dataclass(frozen=True)
class Request:
    """What is asked of a run: its size, its seed, and the checks to which it is limited (all where none is named)."""

    profile: Profile
    seed: int
    only: tuple[str, ...] = ()

    def wants(self, check: str) -> bool:
        return not self.only or check in self.only


@dataclass(frozen=True)
class Judged:
    """A report, and the bytes of the counterexample file that belongs beside it."""

    report: Report
    counterexample: bytes | None


def judge_candidate(
    candidate: Candidate, corpus: Callable[[], Corpus], zygote: Zygote, limits: Limits, request: Request, progress: Progress
) -> Judged:
    """Ask one candidate every check, weigh the witnesses, look for the smallest failing network, and write it all down.

    `corpus` is called once the candidate has loaded: one that does not load is told at once.
    """
    clock = _Clock()
    with Interview(zygote, candidate, limits) as interview:
        asked = _ask(candidate, corpus, interview, request, progress, clock)
        shrunk = None
        if asked.examination is not None:
            shrunk = _counterexample(asked, request, clock, lambda: progress(f"{candidate.name}: smallest network", 0, 1))
        return _report(candidate, request, asked, shrunk, interview, clock)


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now


@dataclass(frozen=True)
class _Asked:
    """Every finding in order, and what is known beside them."""

    findings: Mapping[str, Finding]
    examination: Examination | None
    convention: Convention | None = None
    diagnosis: tuple[Diagnosis, ...] = ()
    undecided: tuple[str, ...] = ()


def _ask(
    candidate: Candidate, draw: Callable[[], Corpus], interview: Interview, request: Request, progress: Progress, clock: _Clock
) -> _Asked:
    try:
        interview.check_entry()
    except Unanswered as error:
        clock.lap("loading")
        findings = {contract.ID: Finding(Outcome(contract.ID, "error", str(error)))}
        return _Asked(_with_skipped(findings, request, "The candidate did not load."), None)
    clock.lap("loading")
    corpus = draw()
    clock.lap("corpus")
    items = (*corpus.items, *corpus.extreme)
    asked, evaluations = contract.ask_all(interview, items, lambda done, total: progress(f"{candidate.name}: contract", done, total))
    clock.lap(contract.ID)
    examination = Examination(
        candidate.claims,
        interview.entry,
        corpus.items,
        corpus.extreme,
        evaluations,
        interview,
        request.seed,
        request.profile.differences,
        request.profile.every_tensor,
    )
    if not examination.answered:
        return _Asked(_with_skipped({contract.ID: asked}, request, "No problem was answered."), None)
    if all(evaluation.loss is None for evaluation in evaluations.values()):
        interview.use_predict_for_losses()
    findings = {contract.ID: asked}
    return _ask_the_rest(candidate, findings, examination, request, progress, clock)


def _ask_the_rest(
    candidate: Candidate, findings: dict[str, Finding], examination: Examination, request: Request, progress: Progress, clock: _Clock
) -> _Asked:
    differenced: list[finite_difference.Differenced] = []

    def differences(examination: Examination) -> Finding:
        finding, lines = finite_difference.check(examination)
        differenced.extend(lines)
        return finding

    checks: dict[str, Check] = {
        forward.ID: forward.check,
        finite_difference.ID: differences,
        autograd.ID: autograd.check,
        stages.ID: stages.check,
        update.ID: update.check,
        purity.ID: purity.check,
        batch_additivity.ID: batch_additivity.check,
        unit_permutation.ID: unit_permutation.check,
        stability.ID: stability.check,
    }
    wanted = [check for check in checks if request.wants(check)]
    for position, check in enumerate(wanted):
        progress(f"{candidate.name}: {check}", position, len(wanted))
        findings[check] = _guarded(check, checks[check], examination)
        clock.lap(check)
    testimony = Testimony(findings, differenced)
    convention = _convention(testimony, examination)
    assumed = None if convention is None else _assuming(examination, convention)
    if convention is not None and assumed is not None:
        affected = {check: checks[check] for check in wanted if check != finite_difference.ID and findings[check].outcome.status == "fail"}
        again = {check: _guarded(check, ask, assumed) for check, ask in affected.items()}
        testimony, convention = heard_again(testimony, assumed, again, convention)
    weighed = weigh(testimony, examination)
    clock.lap("weighing")
    return _Asked(weighed, examination, convention, _diagnosis(weighed, examination), tuple(_undecided(weighed, differenced)))


def _guarded(check: str, ask: Check, examination: Examination) -> Finding:
    try:
        return ask(examination)
    except Unanswered as error:
        return Finding(Outcome(check, "error", str(error)))


def _with_skipped(findings: dict[str, Finding], request: Request, why: str) -> dict[str, Finding]:
    skipped = {check: Finding(Outcome(check, "skipped", why)) for check in check_ids() if check not in findings and request.wants(check)}
    return findings | skipped


def _convention(testimony: Testimony, examination: Examination) -> Convention | None:
    """An undeclared convention, where the loss or the gradient departs."""
    if "fail" not in (testimony.status(forward.ID), testimony.status(autograd.ID)):
        return None
    answered = [(item, examination.evaluations[item.index]) for item in examination.answered]
    return find_convention(examination.claims, answered, gradients_agree=testimony.status(autograd.ID) == "pass")


def _assuming(examination: Examination, convention: Convention) -> Examination:
    """The same answers, judged as if the manifest declared the convention."""
    claims = convention.assumed(examination.claims)

    def assumed(item: Item) -> Item:
        problem = with_claims(item.problem, claims)
        same = problem.program == item.problem.program
        return item if same else replace(item, problem=problem, reference=refer(problem, seed=item.index))

    return replace(
        examination, claims=claims, items=tuple(map(assumed, examination.items)), extreme=tuple(map(assumed, examination.extreme))
    )


def _diagnosis(findings: Mapping[str, Finding], examination: Examination) -> tuple[Diagnosis, ...]:
    def status(check: str) -> str:
        return findings[check].outcome.status if check in findings else "skipped"

    shown = tuple(finding.diagnosis for finding in findings.values() if finding.diagnosis is not None)
    if shown or status(autograd.ID) != "fail":
        return shown
    answered = [Answered(item.problem, item.reference, examination.evaluations[item.index]) for item in examination.answered]
    found = explain_by_precision(answered) or explain_by_a_factor(answered, own_loss=status(forward.ID) == "pass")
    return () if found is None else (found,)


def _undecided(findings: Mapping[str, Finding], differenced: Sequence[finite_difference.Differenced]) -> list[str]:
    """Roles of tensors that neither autograd nor finite differences decided in the whole run."""
    decided, met = set(), set()
    by_autograd = findings[autograd.ID].measurements if autograd.ID in findings else ()
    for measurement in by_autograd:
        role = role_of(measurement.tensor, measurement.network.split(",")[0].count("-"))
        met.add(role)
        if measurement.status == "fail" or (measurement.resolves is not None and measurement.resolves <= DECISIVE):
            decided.add(role)
    unseen = set(undecided_roles(differenced)) if differenced else None
    if not by_autograd:
        return sorted(unseen or ())
    return sorted(role for role in met - decided if unseen is None or role in unseen)


def _counterexample(asked: _Asked, request: Request, clock: _Clock, begin: Callable[[], None]) -> tuple[str, Item, Evaluation] | None:
    """The check, the smallest problem that fails it, and the candidate's answer there."""
    examination = asked.examination
    failed = [check for check in _SHRINKABLE if check in asked.findings and asked.findings[check].outcome.status == "fail"]
    if examination is None or not failed:
        return None
    begin()
    check = failed[0]
    wrong = asked.findings[check].outcome.problem
    failing = next(item for item in examination.items if item.index == wrong)
    try:
        item, evaluation = shrink(examination, _SHRINKABLE[check], failing, budget=request.profile.shrinking)
    except Unanswered:
        item, evaluation = failing, examination.evaluations[failing.index]
    clock.lap("shrinking")
    return check, item, evaluation


def _report(
    candidate: Candidate,
    request: Request,
    asked: _Asked,
    shrunk: tuple[str, Item, Evaluation] | None,
    interview: Interview,
    clock: _Clock,
) -> Judged:
    outcomes = tuple(asked.findings[check].outcome for check in check_ids() if check in asked.findings)
    measurements = tuple(m for check in check_ids() if check in asked.findings for m in asked.findings[check].measurements)
    verdict: Verdict = verdict_of(outcomes, asked.undecided)  # type: ignore[assignment]
    counterexample, stored = (None, None) if shrunk is None else _stored(*shrunk)
    clock.lap("report")
    report = Report(
        schema_version=SCHEMA_VERSION,
        verdict=verdict,
        summary=_summary(verdict, outcomes, asked, shrunk),
        candidate=CandidateRecord(candidate.name, candidate.path, candidate.contract, candidate.claims.as_manifest()),
        profile=request.profile.name,
        seed=request.seed,
        checks=outcomes,
        measurements=measurements,
        notes=_notes(outcomes, asked.convention),
        diagnosis=asked.diagnosis,
        counterexample=counterexample,
        isolation=_isolation(interview.isolation),
        environment=environment(),
        printed=interview.printed() if verdict in ("fail", "error") else "",
        timings={phase: round(seconds, 4) for phase, seconds in clock.seconds.items()},
    )
    return Judged(report, stored)


def _stored(check: str, item: Item, evaluation: Evaluation) -> tuple[Counterexample, bytes]:
    problem = item.problem
    record = Counterexample(
        file=COUNTEREXAMPLE_FILE,
        problem=problem.description,
        check=check,
        arrays={name: array.tolist() for name, array in problem.arrays.items()},
        claimed={name: _finite(gradient) for name, gradient in evaluation.gradients.items()},
        reference={name: gradient.tolist() for name, gradient in item.reference.evaluation.gradients.items()},
    )
    return record, problem_to_bytes(problem)


def _finite(array: FloatArray) -> object:
    """Nested lists; a number that JSON does not have becomes a word."""
    if array.ndim > 0:
        return [_finite(part) for part in array]
    value = float(array)
    return value if np.isfinite(value) else str(value)


def _summary(verdict: Verdict, outcomes: Sequence[Outcome], asked: _Asked, shrunk: tuple[str, Item, Evaluation] | None) -> str:
    by_id = {outcome.id: outcome for outcome in outcomes}
    if verdict == "pass":
        return _passed(by_id, asked)
    if verdict == "inconclusive":
        tensors = ", ".join(asked.undecided) or "any tensor"
        return f"Nothing could be decided about {tensors}: neither finite differences nor autograd can tell right from wrong there."
    wanted = "fail" if verdict == "fail" else "error"
    headline = next(by_id[check] for check in (*_HEADLINES, *by_id) if check in by_id and by_id[check].status == wanted)
    if shrunk is None or verdict == "error":
        return asked.diagnosis[0].explanation if asked.diagnosis else headline.message
    explained = f"{asked.diagnosis[0].explanation} " if asked.diagnosis else ""
    return f"{explained}{_on_the_smallest(*shrunk)}"


def _on_the_smallest(check: str, item: Item, evaluation: Evaluation) -> str:
    """What is wrong on the smallest failing network, in numbers that can be worked by hand."""
    found = compare_gradients(check, item, evaluation, item.reference.evaluation.gradients, item.reference.gradient_tolerance)
    wrong = [measurement for measurement in found if measurement.status == "fail"]
    network = f"On the smallest failing network ({item.problem.description})"
    if not wrong:
        return f"{network} the check `{check}` fails."
    largest = max(
        wrong, key=lambda measurement: measurement.error if measurement.error is not None and np.isfinite(measurement.error) else np.inf
    )
    return f"{network}, {departs(largest)}"


def _passed(by_id: Mapping[str, Outcome], asked: _Asked) -> str:
    passed = [outcome for outcome in by_id.values() if outcome.status == "pass"]
    networks = max((outcome.problems for outcome in passed), default=0)
    compared = by_id.get(autograd.ID)
    power = ""
    if compared is not None and compared.resolves is not None:
        power = f"; autograd would have seen errors above {compared.resolves:.1g} of a tensor's largest element (median)"
    noted = f" It uses a convention that it does not declare: {asked.convention.manifest_line}." if asked.convention is not None else ""
    return f"Right on {networks} networks in {len(passed)} checks{power}.{noted}"


def _notes(outcomes: Sequence[Outcome], convention: Convention | None) -> tuple[Note, ...]:
    notes = [Note(outcome.id, text) for outcome in outcomes for text in outcome.notes]
    if convention is not None:
        if convention.gradient_too:
            text = "Loss and gradient follow a convention that the manifest does not declare; with this line they are held to it:"
        else:
            text = "The loss follows a convention that the manifest does not declare, and the gradient is that of the loss without it:"
        notes.insert(0, Note(forward.ID, text, convention.manifest_line))
    return tuple(notes)


def _isolation(told: Mapping[str, object]) -> Isolation:
    """What the worker's hello says of its confinement; it was sent before the candidate's code was loaded."""
    abi, reason = told.get("landlock_abi"), told.get("reason")
    return Isolation(
        files=told.get("files") is True,
        system_calls=told.get("system_calls") is True,
        limits=told.get("limits") is True,
        landlock_abi=abi if isinstance(abi, int) else None,
        reason=reason if isinstance(reason, str) else None,
    )


def environment() -> dict[str, str]:
    """What the run was made with; read without importing it."""
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        **versions(),
    }
