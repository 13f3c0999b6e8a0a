"""What a gradient costs in forward passes, and what that means where an assignment asks for backpropagation."""

from importlib import import_module

from msgspec import structs

from verifier.checks.examination import Examination, Finding
from verifier.contracts.catalogue import contract_of
from verifier.problems.program import Problem
from verifier.results.outcome import Status
from verifier.verification.asking import Interview

REQUIRED = "The assignment asks for backpropagation."
UNCOUNTED = "What a gradient costs is not known: the candidate gave no answer while its statements were counted, or stopped the counting."


def requiring_backpropagation(finding: Finding, cost: str, uncounted: bool) -> Finding:
    """The finding of `contract`, where a pass a parameter is a fail, and where what a call costs cannot be seen no pass."""
    if not (cost or (uncounted and finding.outcome.status == "pass")):
        return finding
    status: Status = "fail" if cost else "inconclusive"
    return Finding(structs.replace(finding.outcome, status=status, message=f"{cost or UNCOUNTED} {REQUIRED}"))


def cost_of_a_gradient(examination: Examination, interview: Interview) -> tuple[str, bool]:
    """A sentence on what a gradient costs in forward passes, where the contract knows how to tell and it is one a parameter, else "";
    and whether it could not be counted."""
    costing = contract_of(examination.claims.contract).costing
    if not costing:
        return "", False
    counted: list[list[int] | None] = []

    def counts(problem: Problem) -> list[int] | None:
        counted.append(interview.counts(problem))
        return counted[-1]

    return import_module(costing).pass_a_parameter(examination.claims, examination.seed, counts), None in counted
