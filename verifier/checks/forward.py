"""`forward`: does the candidate compute the loss, and the outputs, that its manifest claims?"""

import numpy as np

from verifier.checks.check import Check
from verifier.checks.examination import Examination, Finding, Item, compared, concluded, departs_most, outputs_call, skipped, without
from verifier.contracts.catalogue import calling_of
from verifier.results.evaluation import Evaluation
from verifier.results.outcome import Measurement

ID = "forward"
SUMMARY = "the loss, and what `predict` returns, are those of the claimed network"


def check(examination: Examination) -> Finding:
    """Losses, and outputs where there is a `predict`, against the reference at the scatter of the plain formula."""
    found: list[Measurement] = []
    for item in examination.answered:
        found += of_loss(item, examination.evaluations[item.index])
        found += _of_outputs(examination, item)
    if not found:
        why = "The candidate returns no loss and has no `predict`: its forward pass cannot be seen."
        return skipped(ID, without(examination, ["predict"], why, "No loss comes back, and"))
    problems = len({measurement.problem for measurement in found})
    return concluded(ID, found, passed=_passed(found), failed=lambda worst, wrong: departs_most(worst, wrong, problems))


def of_loss(item: Item, evaluation: Evaluation) -> list[Measurement]:
    """The claimed loss against the reference's, where there is one."""
    claimed, right = evaluation.loss, item.reference.loss
    if claimed is None or right is None:
        return []
    return compared(ID, item, "loss", np.asarray(claimed), np.asarray(right), np.asarray(item.reference.loss_tolerance()))


def _of_outputs(examination: Examination, item: Item) -> list[Measurement]:
    problem, claims = item.problem, examination.claims
    call, right = outputs_call(examination, problem), item.reference.outputs
    if call is None or right is None:
        return []
    calling = calling_of(problem.contract)
    outputs = examination.asking.call(
        problem, call, lambda tree, arrays: calling.read_outputs(tree, arrays, problem, claims), where=item.where
    )
    return compared(ID, item, "outputs", outputs, right, item.reference.output_tolerance())


def _passed(found: list[Measurement]) -> str:
    kinds = sorted({measurement.tensor for measurement in found})
    verb = "is that" if kinds == ["loss"] else "are those"
    return f"The {' and the '.join(kinds)} {verb} of the claimed network."


CHECK = Check(ID, SUMMARY, check, needs=frozenset({"outputs"}), headline=4, shrinkable=True, functions=("predict",))
