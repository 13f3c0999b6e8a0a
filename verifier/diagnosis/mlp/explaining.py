"""From a failed run to its diagnosis: what the diagnosis needs to know of the findings, and how it may ask the candidate.

The modules of the diagnosis are imported here, where they are used: a run that passes does not load them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.checks import autograd, batch_additivity, finite_difference, forward, purity
from verifier.checks.examination import Examination, Finding, Unanswered
from verifier.checks.mlp import optimizer, stages, stepping, unit_permutation, update
from verifier.contracts.mlp.calling import deltas_call, forward_call, read_stages, read_update, update_call
from verifier.diagnosis.mlp.conventions import find_convention
from verifier.diagnosis.mlp.layouts import find_layout
from verifier.diagnosis.mlp.repair.own_lines import find_own_lines
from verifier.oracles.reference import Answered
from verifier.oracles.steps import Path
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation
from verifier.results.report import Step

if TYPE_CHECKING:
    from verifier.diagnosis.mlp.diagnosing import Diagnosed
    from verifier.diagnosis.mlp.variation import Hypothesis

__all__ = ["find_convention", "find_layout", "find_own_lines"]

PATH_STEPS = 8  # of a path that shows a rule
_DELTAS = ("output-delta", "hidden-delta")
_BETWEEN_CALLS = frozenset({"state-kept-between-calls", "changed-arguments"})
Same = Callable[[Answered], bool]


def explain_failure(findings: Mapping[str, Finding], examination: Examination) -> Diagnosed | None:
    """What is wrong, where a check failed that the diagnosis knows of; None where none did."""
    failed = [check for check, finding in findings.items() if finding.outcome.status == "fail"]
    shown = tuple(finding.diagnosis for finding in findings.values() if finding.diagnosis is not None)
    known = {autograd.ID, forward.ID, stages.ID, update.ID, purity.ID, batch_additivity.ID, unit_permutation.ID}
    if not shown and not known & set(failed):
        return None
    from verifier.diagnosis.mlp.diagnosing import Symptoms, diagnose

    symptoms = Symptoms(
        claims=examination.claims,
        answered=[examination.answer_to(item) for item in examination.answered],
        failed=failed,
        shown=shown,
        stage=next((finding.equation for finding in findings.values() if finding.equation is not None), None),
        ask=lambda problem: _gradients(examination, problem),
        step=(lambda problem, rate: _step(examination, problem, rate)) if "update" in examination.asking.functions else None,
        seed=examination.seed,
        walk=(lambda problem: _walk(examination, problem)) if "update" in examination.asking.functions else None,
        steps_alone=examination.entry == "update",
        differences=_excluded_by_differences(findings.get(finite_difference.ID)),
    )
    return diagnose(symptoms)


def _excluded_by_differences(finding: Finding | None) -> float | None:
    """The relative error that finite differences exclude where they pass, else None."""
    return finding.outcome.resolves if finding is not None and finding.outcome.status == "pass" else None


def same_mistake(diagnosed: Diagnosed | None, examination: Examination) -> Same:
    """Whether a network shows the mistake that was diagnosed: the named fault predicts the answer there, or the same equation departs.

    Its lines by hand begin to differ at the equation that the diagnosis names, so that a reader meets one equation.
    """
    equation = _equation_of(diagnosed)
    known = diagnosed is not None and (
        diagnosed.hypothesis is not None or (diagnosed.departure is not None and diagnosed.departure.equation is not None)
    )
    if diagnosed is None or not (known or equation):
        return lambda answered: True
    from verifier.diagnosis.mlp.diagnosing import shows_the_same
    from verifier.diagnosis.mlp.walkthrough import claimed_of, first_equation, work_through

    def begins_there(answered: Answered) -> bool:
        if not equation or equation == "update" or _is_a_pattern(diagnosed):
            return True
        for hypothesis in (diagnosed.hypothesis, None):
            claimed = claimed_of(answered, examination.claims, {}, {}, equation=equation, hypothesis=hypothesis)
            if first_equation(work_through(answered.problem, answered.reference, claimed)) in ("", equation):
                return True
        return False

    return lambda answered: (not known or shows_the_same(diagnosed, answered, examination.claims)) and begins_there(answered)


def _is_a_pattern(diagnosed: Diagnosed | None) -> bool:
    """Whether what was diagnosed shows between calls or in the digits: an answer, looked at alone, may show it at any equation."""
    from verifier.diagnosis.mlp.faults import BY_ID

    fault = diagnosed.diagnosis[0].fault if diagnosed is not None and diagnosed.diagnosis else ""
    return fault in _BETWEEN_CALLS or (fault in BY_ID and BY_ID[fault].pattern)


def _equation_of(diagnosed: Diagnosed | None) -> str:
    return diagnosed.diagnosis[0].equation if diagnosed is not None and diagnosed.diagnosis else ""


def work_by_hand(examination: Examination, answered: Answered, diagnosed: Diagnosed | None) -> tuple[Step, ...]:
    """The problem line by line, the right numbers beside the candidate's: its own stages and step where it has functions for them.

    Where they would begin to differ at another equation than the diagnosis says in words, the right numbers alone.
    """
    from verifier.diagnosis.mlp.walkthrough import RATE, claimed_of, first_equation, work_through

    rate = examination.claims.learning_rate or RATE
    rule = examination.claims.optimizer
    shows_step = "update" in examination.asking.functions and (rule is None or rule.plain)
    updated = _step(examination, answered.problem, rate) if shows_step else None
    equation = _equation_of(diagnosed)
    hypothesis = None if diagnosed is None else diagnosed.hypothesis
    shown = _shown_stages(examination, answered.problem)

    def lines(of: str, hypothesis: Hypothesis | None = None, *, sure: bool) -> tuple[Step, ...]:
        claimed = claimed_of(answered, examination.claims, shown, updated or {}, equation=of, hypothesis=hypothesis, sure=sure)
        if of == "update" and examination.entry == "update":
            claimed = replace(claimed, gradients={})  # they were read off the steps: it is the step that is wrong
        return work_through(answered.problem, answered.reference, claimed, rate=rate)

    # What a fault makes of δ comes first; where it is a product's, and δ in it is a way to say that, the gradients alone.
    for known in (hypothesis, None):
        worked = lines(equation, known, sure=True)
        if first_equation(worked) in ("", equation):
            return worked
    if equation and not _is_a_pattern(diagnosed):
        return work_through(answered.problem, answered.reference, rate=rate)
    # Nothing is said of an equation: δ where the products are those of some δ, else the product.
    return next((each for of in _DELTAS if first_equation(each := lines(of, sure=False)) == of), worked)


def _shown_stages(examination: Examination, problem: Problem) -> dict[str, FloatArray]:
    """What `forward` and `deltas` return for a problem; nothing where they are missing or do not answer."""
    claims = examination.claims
    found: dict[str, FloatArray] = {}
    for function, call, kinds in (
        ("forward", forward_call, ("pre_activations", "activations")),
        ("deltas", deltas_call, ("deltas",)),
    ):
        if function in examination.asking.functions:
            read = partial(read_stages, problem=problem, claims=claims, kinds=kinds)
            with contextlib.suppress(Unanswered):
                found |= examination.asking.call(problem, call(problem, claims), read, where="Asked for the work by hand.")
    factor = stages.delta_factor(claims, problem)
    return {name: value / factor if name.startswith("deltas") else value for name, value in found.items()}


def _gradients(examination: Examination, problem: Problem) -> Evaluation | None:
    try:
        return examination.asking.gradients(problem, where=f"Asked for the diagnosis: {problem.description}")
    except Unanswered:
        return None


def _walk(examination: Examination, problem: Problem) -> Path | None:
    rate = optimizer.rate_of(examination, examination.claims.optimizer)
    try:
        return stepping.walk(examination, problem, rate, steps=PATH_STEPS, seed=examination.seed, where="Asked for the diagnosis.")
    except Unanswered:
        return None


def _step(examination: Examination, problem: Problem, rate: float) -> dict[str, FloatArray] | None:
    def read(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
        return read_update(tree, arrays, problem, examination.claims)

    call = update_call(problem, examination.claims, rate)
    try:
        answer: dict[str, FloatArray] = examination.asking.call(problem, call, read, where="Asked for the diagnosis.")
    except Unanswered:
        return None
    return answer
