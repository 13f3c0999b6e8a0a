"""`update` where the manifest names an optimiser: a path of steps, each held to PyTorch's own from the candidate's previous parameters.

The gradients are the reference's, where the candidate has come to; what the rule carries (velocities, averages, the count of steps) begins
again with each path, and so does the candidate: a new worker keeps nothing.
"""

from collections.abc import Sequence

import numpy as np

from verifier.checks.examination import Examination, Finding, Item, concluded, departs, measured
from verifier.checks.mlp.stepping import walk
from verifier.contracts.mlp.network import architecture_of
from verifier.oracles.steps import Path
from verifier.problems.optimizers import Rule
from verifier.results.outcome import Measurement
from verifier.tolerance import compare

ID = "update"
SOURCE = "32 x rounding scatter of the step"
PATHS = 6
STEPS = 10
FEW_STEPS = 3  # of a path that judges the gradients more than the rule
RATE = 0.05
HIDDEN = "one factor on all of them would not show. A function `backprop` in the file lets the gradients be judged themselves."


def check(examination: Examination, rule: Rule) -> Finding:
    """Paths on networks of several shapes, at the claimed rate, or at one of ours where the rate is an argument."""
    rate, answered = rate_of(examination, rule), examination.answered
    small = [item for item in answered if architecture_of(item.problem).layers <= 3] or answered
    items = small[:: max(1, len(answered) // PATHS)]
    alone = examination.entry == ID  # then nothing else judges its gradients
    paths = [
        (item, walk(examination, item.problem, rate, steps=STEPS if item in items else FEW_STEPS, seed=item.index, where=item.where))
        for item in (answered if alone else items)
    ]
    found = _best(rule, paths)
    walked = len({measurement.problem for measurement in found})
    said = f"{rule.name} ({', '.join(f'{key} = {value}' for key, value in rule.said)})" if rule.said else rule.name
    return concluded(
        ID,
        found,
        passed=f"Every step is that of {said}, along paths of {STEPS} steps.",
        failed=lambda worst, wrong: f"A step is not that of {said}: {departs(worst)} Wrong on {wrong} of {walked} paths.",
        notes=(f"{rule.name} divides by the size of the gradients: {HIDDEN}",) if alone and rule.options.get("eps") == 0 else (),
    )


def _best(rule: Rule, paths: Sequence[tuple[Item, Path]]) -> Sequence[Measurement]:
    """Every path against the rule; where one departs, against another form of it, if all of them are that one's."""
    found: list[Sequence[Measurement]] = []
    for form in rule.forms:
        found.append([measurement for item, path in paths for measurement in _compare(item, form, path)])
        if all(measurement.status == "pass" for measurement in found[-1]):
            return found[-1]
    return found[0]


def rate_of(examination: Examination, rule: Rule | None) -> float:
    """The rate of a path: the claimed one, the rule's where it says one, else ours."""
    said = {} if rule is None else dict(rule.said)
    return float(examination.claims.learning_rate or said.get("lr", RATE))


def _compare(item: Item, rule: Rule, path: Path) -> Sequence[Measurement]:
    """Each step's parameters against the rule's; an element whose gradient is 0 but for rounding decides nothing."""
    if not path.afters:
        return []
    found = []
    for after, stepped in zip(path.afters, path.judged_by(rule, seed=item.index), strict=True):
        for name, value in after.items():
            comparison = compare(value, stepped.parameters[name], stepped.allowed(name, item.problem.dtype))
            if comparison is not None and np.isfinite(comparison.tolerance):
                found.append(measured(ID, item, name, comparison, SOURCE))
    return found
