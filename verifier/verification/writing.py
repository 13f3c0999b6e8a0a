"""What a run over programs found -> its report: the headline, the notes and the counterexample."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from verifier.candidates.discovery import Candidate
from verifier.checks import autograd, contract, forward, stability
from verifier.checks.catalogue import check_ids, check_of
from verifier.checks.examination import Examination, Finding, departs
from verifier.contracts.convention import Convention
from verifier.counting import counted
from verifier.problems.storage import problem_to_bytes
from verifier.results.evaluation import listed
from verifier.results.outcome import Measurement, Outcome, Verdict
from verifier.results.report import COUNTEREXAMPLE_FILE, Certificate, Counterexample, Diagnosis, Note, OwnLine
from verifier.results.submission import UNKNOWN
from verifier.verification.asking import Interview
from verifier.verification.explaining import Diagnosed
from verifier.verification.record import Judged, Request, described, report_of
from verifier.verification.shrinking import Shrunk
from verifier.verification.witnesses import verdict_of


@dataclass(frozen=True)
class Asked:
    """Every finding in order, and what is known beside them. `ends`: when a time limit is over, by `time.perf_counter`."""

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
    ends: float = math.inf

    @property
    def seconds_left(self) -> float:
        """Of the time limit; infinite where there is none."""
        return self.ends - time.perf_counter()

    @property
    def diagnosis(self) -> tuple[Diagnosis, ...]:
        """The explanations, best first."""
        return () if self.diagnosed is None else self.diagnosed.diagnosis

    @property
    def named(self) -> bool:
        """Whether the best of them is a mistake by its name."""
        return bool(self.diagnosis) and self.diagnosis[0].fault != UNKNOWN


def write_down(
    candidate: Candidate, request: Request, asked: Asked, shrunk: Shrunk | None, interview: Interview, seconds: Mapping[str, float]
) -> Judged:
    """The report of a run, and the file of its counterexample."""
    outcomes = tuple(asked.findings[check].outcome for check in check_ids() if check in asked.findings)
    measurements = tuple(m for check in check_ids() if check in asked.findings for m in asked.findings[check].measurements)
    verdict = verdict_of(outcomes, asked.undecided, contradicted=asked.contradicted)
    counterexample, stored = (None, None) if shrunk is None else _stored(shrunk)
    raises = _raises(outcomes, asked)
    diagnosis = _at_the_first_difference(asked.diagnosis, shrunk) if asked.named or not raises else ()
    # Where most calls raise, a line that would put right what the few others answer is one that hides the cause.
    own_lines = asked.own_lines if verdict == "fail" and not (raises and len(asked.own_lines) > 1) else ()
    report = report_of(
        described(candidate, manifest=candidate.claims.as_manifest()),
        request,
        interview,
        outcomes,
        verdict=verdict,
        summary=_summary(verdict, outcomes, asked, shrunk) + _unjudged(verdict, request, interview),
        seconds=seconds,
        measurements=measurements,
        notes=(*_notes(verdict, outcomes, asked.convention), *asked.notes),
        diagnosis=diagnosis,
        counterexample=counterexample,
        certificate=asked.certificate if verdict == "pass" else None,
        place=own_lines[0].place if own_lines else "",
        own_lines=own_lines,
        rung=asked.rung,
        reason=asked.findings[contract.ID].reason if verdict in ("error", "inconclusive") and contract.ID in asked.findings else "",
    )
    return Judged(report, stored)


def _at_the_first_difference(diagnosis: Sequence[Diagnosis], shrunk: Shrunk | None) -> tuple[Diagnosis, ...]:
    """The explanations, the first at the equation at which the lines by hand begin to differ: what says no equation, or none that it knows.

    Where an explanation names its equation in words, the lines follow it (`work_by_hand` of a contract's explanations).
    """
    steps = () if shrunk is None else shrunk.walkthrough
    first = next((step.equation for step in steps if step.parts), "")
    if not diagnosis or not first:
        return tuple(diagnosis)
    return (msgspec.structs.replace(diagnosis[0], equation=first), *diagnosis[1:])


def _stored(shrunk: Shrunk) -> tuple[Counterexample, bytes]:
    problem = shrunk.answered.problem
    record = Counterexample(
        file=COUNTEREXAMPLE_FILE,
        problem=problem.description,
        check=shrunk.check,
        arrays={name: array.tolist() for name, array in problem.arrays.items()},
        claimed={name: listed(gradient) for name, gradient in shrunk.answered.claimed.gradients.items()},
        reference={name: gradient.tolist() for name, gradient in shrunk.answered.reference.gradients.items()},
        walkthrough=shrunk.walkthrough,
    )
    return record, problem_to_bytes(problem)


def _summary(verdict: Verdict, outcomes: Sequence[Outcome], asked: Asked, shrunk: Shrunk | None) -> str:
    by_id = {outcome.id: outcome for outcome in outcomes}
    if verdict == "pass":
        return _passed(by_id, asked)
    if verdict == "inconclusive":
        if by_id[contract.ID].status == "inconclusive":
            return by_id[contract.ID].message
        if asked.contradicted:
            return f"The witnesses contradict each other. {by_id['finite-difference'].message}"
        if not asked.undecided:
            skipped = next(outcome for outcome in outcomes if outcome.status == "skipped")
            return f"No check was asked that could decide. {skipped.id}: {skipped.message}"
        tensors = ", ".join(asked.undecided)
        return (
            f"Nothing could be decided about {tensors}: neither finite differences nor autograd can tell right from wrong there, "
            "or the right gradient is zero or within its tolerance on nearly every network."
        )
    if _raises(outcomes, asked):
        return by_id[contract.ID].message  # what the others answer is no use yet
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


def _unjudged(verdict: Verdict, request: Request, interview: Interview) -> str:
    """Beside a pass under an assignment: which functions of optional names count as helpers."""
    if verdict != "pass" or not request.assigned or not interview.helpers:
        return ""
    return f" Not judged, since taken for helpers of its own: {', '.join(f'`{name}`' for name in interview.helpers)}."


def _raises(outcomes: Sequence[Outcome], asked: Asked) -> bool:
    """Whether most calls raise, or return what cannot be read; where no mistake is known by name, a third is enough to come first."""
    share = 2 if asked.named else 3  # code that is wrong where there are two layers answers for one
    return any(one.id == contract.ID and one.status == "error" and share * one.failed > one.problems for one in outcomes)


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
    return f"Right on {counted(networks, 'network')} in {counted(len(passed), 'check')}{power}.{noted}"


def _notes(verdict: Verdict, outcomes: Sequence[Outcome], convention: Convention | None) -> tuple[Note, ...]:
    # Of wrong code, that it is wrong on saturated networks too is no news.
    decided = [outcome for outcome in outcomes if verdict == "pass" or outcome.id != stability.ID]
    notes = [Note(outcome.id, text) for outcome in decided for text in outcome.notes]
    if convention is not None:
        if convention.declared:
            text = "The gradient is that of the loss without the convention that the manifest declares; the loss is held to this line:"
        elif convention.gradient_too:
            text = "Loss and gradient follow a convention that the manifest does not declare; with this line they are held to it:"
        else:
            text = "The loss follows a convention that the manifest does not declare, and the gradient is that of the loss without it:"
        notes.insert(0, Note(forward.ID, text, convention.manifest_line))
    return tuple(notes)
