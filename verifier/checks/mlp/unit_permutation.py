"""`unit-permutation`: do the gradients follow when hidden units are put in another order?"""

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.check import Check
from verifier.checks.examination import Examination, Finding, Item, compared, concluded, departs, own_rounding, skipped
from verifier.contracts.mlp.network import architecture_of, with_arrays
from verifier.counting import counted
from verifier.problems.program import Problem
from verifier.results.outcome import Measurement

ID = "unit-permutation"
SUMMARY = "the gradients follow when hidden units change places"
SOURCE = "2 x (32 x rounding scatter)"


def check(examination: Examination) -> Finding:
    """Hidden units reversed in every hidden layer: the same gradients, in the new order."""
    items = [item for item in examination.answered if max(architecture_of(item.problem).widths[1:-1], default=1) > 1][: examination.few]
    if not items:
        return skipped(ID, "No problem has a hidden layer of two or more units.")
    found: list[Measurement] = []
    for item in items:
        found += _compare(examination, item)
    return concluded(
        ID,
        found,
        passed=f"Gradients follow their units on {counted(len(items), 'network')}.",
        failed=lambda worst, wrong: (
            f"A unit's gradient depends on its place in the layer: {departs(worst)} On {wrong} of {len(items)} networks."
        ),
    )


def _compare(examination: Examination, item: Item) -> list[Measurement]:
    problem = item.problem
    permuted = with_arrays(problem, {name: reordered(name, problem.arrays[name], problem) for name in problem.program.differentiate})
    first = examination.evaluations[item.index]
    again = examination.asking.gradients(permuted, where=f"Units reversed in {item.where}")
    own = own_rounding(item, first)
    found: list[Measurement] = []
    for name, gradient in again.gradients.items():
        allowed = np.broadcast_to(2 * (item.reference.gradient_tolerance(name) + first.rounding.get(name, 0.0) + own[name]), gradient.shape)
        right = reordered(name, first.gradients[name], problem)
        found += compared(ID, item, name, gradient, right, reordered(name, allowed, problem), SOURCE)
    return found


def reordered(name: str, array: FloatArray, problem: Problem) -> FloatArray:
    """A parameter, or its gradient, of the network whose hidden units are all in reverse order."""
    role = problem.roles[name]
    if role.kind == "weights" and role.layer > 0:
        array = array[:, ::-1]
    return array if role.position == "output" else array[::-1]


CHECK = Check(ID, SUMMARY, check, needs=frozenset({"hidden units"}), headline=8, shrinkable=True, calls=lambda size: size.few)
