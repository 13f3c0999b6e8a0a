"""What it means when two of the three witnesses agree: finite differences of the candidate's own loss, autograd, and the forward values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from verifier.checks import contract
from verifier.checks.examination import Differenced, Examination, Finding
from verifier.checks.finite_difference import derivative_of_the_loss, predicted_error
from verifier.contracts.convention import Convention
from verifier.counting import counted
from verifier.results.outcome import Outcome, Verdict


@dataclass(frozen=True)
class Testimony:
    """The findings of the witnesses, by check id."""

    findings: Mapping[str, Finding]

    @property
    def differenced(self) -> Sequence[Differenced]:
        """Every problem whose loss was differenced."""
        return [one for finding in self.findings.values() for one in finding.differenced]

    def status(self, check: str) -> str:
        """What this check found on the network; `skipped` where it was not asked."""
        finding = self.findings.get(check)
        return "skipped" if finding is None else finding.outcome.status


def heard_again(
    testimony: Testimony, own: Examination, again: Mapping[str, Finding], convention: Convention
) -> tuple[Testimony, Convention | None]:
    """The testimony under a convention that explains it, or the old one and None where it does not explain all of it.

    Args:
        own: the examination by the claims that the loss obeys.
        again: what the failed checks find then.
    """
    if any(finding.outcome.status != "pass" for finding in again.values()):
        return testimony, None
    if convention.declared:
        words = f"The gradient is that of the loss without {convention.manifest_line}, on every network."
    else:
        words = f"One convention that the manifest does not declare explains it on every network: {convention.manifest_line}."
    findings = {**testimony.findings, **{check: _with(finding, message=words) for check, finding in again.items()}}
    if testimony.status("finite-difference") == "fail":
        if not all(_foreseen(one, own) for one in testimony.differenced):
            return testimony, None
        changes = {"status": "pass", "message": words, "failed": 0, "error": None, "tolerance": None, "tensor": None, "problem": None}
        findings["finite-difference"] = _with(findings["finite-difference"], **changes)
    return Testimony(findings), convention


def _foreseen(one: Differenced, own: Examination) -> bool:
    """Whether every failed line of a problem saw what it had to see: the claimed gradient against that of the loss with the convention."""
    item = next((item for item in own.items if item.index == one.item.index), None)
    if item is None:
        return True
    right, claimed = derivative_of_the_loss(item), own.evaluations[one.item.index].gradients
    failed = [line for line in one.differences.directions if line.status == "fail"]
    return all(abs(line.error - predicted_error(line, right, claimed)) <= line.tolerance for line in failed)


def contradicts(testimony: Testimony) -> bool:
    """Whether finite differences contradict gradients and a loss that both agree with the reference: one of the witnesses is wrong."""
    return (testimony.status("finite-difference"), testimony.status("autograd")) == ("fail", "pass") and testimony.status(
        "forward"
    ) != "fail"


def weigh(testimony: Testimony, examination: Examination) -> dict[str, Finding]:
    """The findings as they stand once each witness has heard the others."""
    findings = dict(testimony.findings)
    differences, autograd = testimony.status("finite-difference"), testimony.status("autograd")
    if differences == "fail" and autograd == "pass":
        findings["finite-difference"] = _against_two(findings["finite-difference"], testimony.status("forward"))
    if autograd == "fail" and differences in ("pass", "inconclusive"):
        findings["autograd"] = _another_forward(findings["autograd"], testimony, examination)
    return findings


def _with(finding: Finding, **changes: object) -> Finding:
    return replace(finding, outcome=msgspec.structs.replace(finding.outcome, **changes))


def _against_two(finding: Finding, forward: str) -> Finding:
    """Autograd and the candidate agree against finite differences: forward values tell whose fault it is."""
    text = finding.outcome.message
    if forward == "fail":
        return _with(
            finding,
            message=f"{text} The gradients are those of the claimed loss: it is the loss returned that is another one (see `forward`).",
        )
    return _with(
        finding,
        status="inconclusive",
        message=f"{text} But loss and gradients both agree with the reference, so finite differences cannot be trusted: is the loss noisy?",
    )


def _another_forward(finding: Finding, testimony: Testimony, examination: Examination) -> Finding:
    """Finite differences and the candidate agree against autograd, where the disagreement is large enough for differences to see it."""
    arbitrated = [one for one in testimony.differenced if _arbitrates(one, examination)]
    text = finding.outcome.message
    if arbitrated:
        return _with(
            finding,
            message=f"{text} Yet the gradients are the derivative of the candidate's own loss ({counted(len(arbitrated), 'network')}): "
            "the backward pass fits its forward pass, and that computes something else than the manifest claims.",
        )
    return _with(finding, message=f"{text} The error is too small for finite differences to arbitrate.")


def _arbitrates(one: Differenced, examination: Examination) -> bool:
    """Whether some line passed although it would have seen autograd's disagreement: |ĝ - g| along it is more than twice its tolerance."""
    claimed = examination.evaluations[one.item.index].gradients
    right = one.item.reference.gradients
    passed = [line for line in one.differences.directions if line.status == "pass"]
    return any(abs(predicted_error(line, right, claimed)) > 2 * line.tolerance for line in passed)


def verdict_of(outcomes: Sequence[Outcome], undecided: Sequence[str], *, contradicted: bool = False) -> Verdict:
    """`fail` where a check fails, else `error`, else `inconclusive` where some tensor was decided by neither witness, else `pass`.

    `contradicted`: whether the witnesses contradict each other, see `contradicts`; that is no pass either. Nor is it one where `contract`
    could not be decided.
    """
    statuses = {outcome.status for outcome in outcomes}
    if "fail" in statuses:
        return "fail"
    if "error" in statuses:
        return "error"
    asked = [outcome for outcome in outcomes if outcome.id != contract.ID] or outcomes
    undecided_contract = any(outcome.id == contract.ID and outcome.status == "inconclusive" for outcome in outcomes)
    if undecided or contradicted or undecided_contract or all(outcome.status == "skipped" for outcome in asked):
        return "inconclusive"  # that it answers says nothing of its gradients
    return "pass"
