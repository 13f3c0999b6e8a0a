"""`autograd`: are the gradients those of the claimed network and loss, as PyTorch differentiates them?"""

from verifier.checks.check import Check
from verifier.checks.examination import Examination, Finding, compare_gradients, concluded, departs_most, skipped
from verifier.results.outcome import Measurement

ID = "autograd"
SUMMARY = "the gradients are those of the claimed network, by PyTorch autograd in float64"


def check(examination: Examination) -> Finding:
    """Every gradient on every ordinary network, at the scatter of the textbook's equations."""
    found: list[Measurement] = []
    for item in examination.answered:
        reference = item.reference
        found += compare_gradients(ID, item, examination.evaluations[item.index], reference.gradients, reference.gradient_tolerance)
    if not found:
        return skipped(ID, "No problem was answered.")
    problems = len({measurement.problem for measurement in found})
    return concluded(
        ID, found, passed=f"Every gradient agrees on {problems} networks.", failed=lambda worst, wrong: departs_most(worst, wrong, problems)
    )


CHECK = Check(ID, SUMMARY, check, needs=frozenset({"gradients"}), headline=2, shrinkable=True)
