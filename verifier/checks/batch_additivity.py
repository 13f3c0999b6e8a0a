"""`batch-additivity`: is the gradient of a batch the (mean or sum) of the gradients of its samples?"""

from collections.abc import Mapping

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.check import Check, Size
from verifier.checks.examination import (
    Examination,
    Finding,
    Item,
    compared,
    concluded,
    departs,
    own_rounding,
    rounding_where_wrong,
    skipped,
)
from verifier.contracts.catalogue import family_of
from verifier.counting import counted
from verifier.oracles.scatter import gradients_with_scatter
from verifier.problems.program import Problem, longest_sum
from verifier.results.evaluation import Evaluation
from verifier.results.outcome import Measurement
from verifier.tolerance import element_tolerance

ID = "batch-additivity"
SUMMARY = "the gradient of a batch is the mean (or sum) of its samples' gradients"
SOURCE = "32 x rounding scatter, of the batch and of its samples"


def check(examination: Examination) -> Finding:
    """The candidate's own batch answer against its own answers for single samples, regularisation taken out first."""
    items = [item for item in examination.answered if item.problem.sizes.get("batch", 1) > 1][: examination.few]
    if not items:
        return skipped(ID, "No problem has a batch of more than one sample.")
    found: list[Measurement] = []
    for item in items:
        found += _compare(examination, item)
    return concluded(
        ID,
        found,
        passed=f"Batches add up on {counted(len(items), 'network')}.",
        failed=lambda worst, wrong: (
            f"The batch does not add up from its own samples: {departs(worst)} On {wrong} of {len(items)} networks."
        ),
    )


def _compare(examination: Examination, item: Item) -> list[Measurement]:
    family = family_of(item.problem.contract)
    share = family.share_of_sample(item.problem, examination.claims)
    whole = examination.evaluations[item.index]
    claimed = family.data_part(whole.gradients, item.problem)
    total = {name: np.zeros_like(gradient) for name, gradient in claimed.items()}
    own = own_rounding(item, whole)
    allowed = {name: item.reference.gradient_tolerance(name) + whole.rounding.get(name, 0.0) + own[name] for name in claimed}
    del own  # as large as the network, as the next
    for row in range(item.problem.sizes["batch"]):
        sample = family.sample_of(item.problem, row, examination.claims)
        single = examination.asking.gradients(sample, where=f"Sample {row} of {item.where}")
        _add(share, single, sample, item.index, total, allowed)
        del single  # before the next is asked for
    return [one for name in claimed for one in compared(ID, item, name, claimed[name], total[name], allowed[name], SOURCE)]


def _add(
    share: float, single: Evaluation, sample: Problem, seed: int, total: Mapping[str, FloatArray], allowed: Mapping[str, FloatArray]
) -> None:
    """One sample's gradients added to the total, and their tolerances to what is allowed: in place, and one array at a time."""
    longest, data_part = longest_sum(sample), family_of(sample.contract).data_part
    for name, right, scatter in gradients_with_scatter(sample, seed=seed):
        gradient = single.gradients[name]
        tolerance = element_tolerance(scatter, longest)
        own = rounding_where_wrong(gradient, right, tolerance, longest, sample.dtype)
        total[name][...] += share * data_part({name: gradient}, sample)[name]
        allowed[name][...] += share * (tolerance + single.rounding.get(name, 0.0) + own)
        del right, scatter, tolerance


def _calls(size: Size) -> float:
    return size.few * size.batch


CHECK = Check(ID, SUMMARY, check, needs=frozenset({"batch"}), headline=7, shrinkable=True, calls=_calls)
