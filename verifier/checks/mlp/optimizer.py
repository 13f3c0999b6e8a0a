"""`update` where the manifest names an optimiser: a path of steps, each held to PyTorch's own from the candidate's previous parameters.

The gradients are the reference's, where the candidate has come to; what the rule carries (velocities, averages, the count of steps) begins
anew with each path, and so does the candidate: a new worker keeps nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from verifier.checks.examination import Examination, Finding, Item, concluded, departs, measured
from verifier.checks.mlp.stepping import step
from verifier.contracts.mlp.network import architecture_of, with_arrays
from verifier.oracles.reference import Reference, refer_if_deciding
from verifier.oracles.steps import follow
from verifier.problems.optimizers import Rule
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.outcome import Measurement
from verifier.tolerance import compare

FloatArray = NDArray[np.floating]

ID = "update"
SOURCE = "32 x rounding scatter of the step"
PATHS = 6
STEPS = 10
RATE = 0.05


@dataclass(frozen=True)
class _Path:
    """Where a candidate stood before each step, the references there, and where it came to."""

    problems: Sequence[Problem]
    references: Sequence[Reference]
    afters: Sequence[dict[str, FloatArray]]


def check(examination: Examination, rule: Rule) -> Finding:
    """Paths on networks of several shapes, at the claimed rate, or at one of ours where the rate is an argument."""
    usual = examination.claims.learning_rate or (rule.options["lr"] if "lr" in dict(rule.said) else RATE)
    items = [item for item in examination.answered if architecture_of(item.problem).layers <= 3][
        :: max(1, len(examination.answered) // PATHS)
    ]
    found: list[Measurement] = []
    for item in items:
        forget = getattr(examination.asking, "forget", None)  # a candidate in this process has nothing to forget
        if forget is not None:
            forget()
        found += _compare(item, rule, usual, _walk(examination, item, usual))
    said = f"{rule.name} ({', '.join(f'{key} = {value}' for key, value in rule.said)})" if rule.said else rule.name
    return concluded(
        ID,
        found,
        passed=f"Every step is that of {said}, along paths of {STEPS} steps.",
        failed=lambda worst, wrong: f"A step is not that of {said}: {departs(worst)} So on {wrong} of {len(items)} paths.",
    )


def _walk(examination: Examination, item: Item, rate: float) -> _Path:
    """The candidate's own path, while its networks are ordinary."""
    problem, problems, references, afters = item.problem, [], [], []
    for count in range(STEPS):
        reference = refer_if_deciding(problem, seed=item.index)
        if reference is None:
            break
        after = step(examination, problem, rate, where=f"Step {count + 1} of a path. {item.where}")
        problems.append(problem)
        references.append(reference)
        afters.append(after)
        if not all(np.isfinite(value).all() for value in after.values()):
            break
        problem = with_arrays(problem, {name: value.astype(problem.dtype) for name, value in after.items()})
    return _Path(problems, references, afters)


def _compare(item: Item, rule: Rule, rate: float, path: _Path) -> list[Measurement]:
    """Each step's parameters against the rule's; an element whose gradient is 0 but for rounding decides nothing."""
    if not path.afters:
        return []
    names = list(path.afters[0])
    right = follow(
        rule,
        {name: path.problems[0].arrays[name] for name in names},
        [reference.evaluation.gradients for reference in path.references],
        rates=[rate] * len(path.afters),
        befores=[problem.arrays for problem in path.problems],
        gradient_scatters=[reference.scatter.gradients for reference in path.references],
        dtype=item.problem.dtype,
        seed=item.index,
    )
    found = []
    epsilon = machine_epsilon(item.problem.dtype)
    for after, stepped in zip(path.afters, right, strict=True):
        for name in names:
            tolerance = stepped.tolerance(name) + epsilon * np.abs(stepped.parameters[name])
            comparison = compare(after[name], stepped.parameters[name], tolerance)
            if comparison is not None and np.isfinite(comparison.tolerance):
                found.append(measured(ID, item, name, comparison, SOURCE))
    return found
