"""Two findings in one path of steps: a rule beside weights that are updated before they carry δ down; or a rule for some parameters alone.

Each is a prediction of every step of every path, at the tolerance of PyTorch's own step: the sentence is said where it holds to the last
bits.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from verifier import textbook
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.optimizers import LEAST_STEPS, describe_rule, find_rule, follows, name_rule, tell_rule
from verifier.oracles.reference import Reference
from verifier.oracles.steps import Path
from verifier.problems.operations import OPERATIONS
from verifier.problems.optimizers import Rule
from verifier.results.report import Diagnosis
from verifier.textbook import Applied, Back

WIDER = 4.0  # times the scatter of a right gradient: one that is carried by other weights has its own, of about this size

Belongs = Callable[[str, int], bool]  # (tensor, last layer) -> whether it is one of these


def _is_output(name: str, last: int) -> bool:
    return name.endswith(f"[{last}]")


_PARTS: tuple[tuple[str, Belongs, str], ...] = (
    ("the weights", lambda name, last: name.startswith("weights"), "the biases"),
    ("the output layer", _is_output, "the layers below it"),
)


@np.errstate(all="ignore")
def explain_by_parts(paths: Sequence[Path], claimed: Rule | None, *, seed: int) -> Diagnosis | None:
    """What predicts all paths where no one rule along the right gradient does; None where neither form fits."""
    deep = [path for path in paths if architecture_of(path.problems[0]).layers > 1]
    if not deep or any(len(path.afters) < LEAST_STEPS for path in paths) or find_rule(paths, seed=seed) is not None:
        return None
    return _updated_first(paths, deep, claimed, seed=seed) or _of_two_rules(paths, claimed, seed=seed)


def _updated_first(paths: Sequence[Path], deep: Sequence[Path], claimed: Rule | None, *, seed: int) -> Diagnosis | None:
    """The rule that the output layer follows, where the layers below follow it along what updated weights carried down."""
    outputs = [_only(path, _is_output) for path in paths]
    kept = claimed is not None and all(follows(claimed, path, seed=seed) for path in outputs)
    rule = claimed if kept else find_rule(outputs, seed=seed)
    if rule is None or not all(follows(rule, _carried_by_updated(path), seed=seed) for path in paths):
        return None
    if (claimed is None and rule.plain) or all(follows(rule, path, seed=seed) for path in deep):
        return None  # the check says it of plain steps, from the gradients that two rates show
    text = (
        "Weights are updated before they carry the delta down: each step below the output layer is along what the new weights carried. "
        "Compute every gradient first, then step."
    )
    also = "" if rule == claimed else f" And also: {tell_rule(rule, claimed)}"
    return Diagnosis("updated-before-propagated", "hidden-delta", text + also)


def _of_two_rules(paths: Sequence[Path], claimed: Rule | None, *, seed: int) -> Diagnosis | None:
    """The rules of two parts of the network, each followed by all its parameters."""
    for one, belongs, other in _PARTS:
        parts = [[_only(path, belongs, others=others) for path in paths] for others in (False, True)]
        if not all(any(_moves(path) for path in part) for part in parts):
            return None  # what never moves follows no rule
        first = find_rule(parts[0], seed=seed)
        second = None if first is None else find_rule(parts[1], seed=seed)
        if first is not None and second is not None:
            claim = "claims no optimiser" if claimed is None else f"claims {name_rule(claimed)} for all parameters alike"
            text = f"`update` steps {one} by {describe_rule(first)}, and {other} by {describe_rule(second)}. The manifest {claim}."
            return Diagnosis("update-by-two-rules", "update", text)
    return None


def _only(path: Path, belongs: Belongs, *, others: bool = False) -> Path:
    last = architecture_of(path.problems[0]).layers - 1
    afters = [{name: value for name, value in after.items() if belongs(name, last) is not others} for after in path.afters]
    return replace(path, afters=afters)


def _moves(path: Path) -> bool:
    return any(
        bool(np.any(value != np.asarray(problem.arrays[name], dtype=np.float64)))
        for problem, after in zip(path.problems, path.afters, strict=True)
        for name, value in after.items()
    )


def _carried_by_updated(path: Path) -> Path:
    """The path with the gradients of code that steps each layer before δ goes through its weights."""

    return replace(path, references=[_reference_of(path, step) for step in range(len(path.afters))])


def _reference_of(path: Path, step: int) -> Reference:
    problem, reference, after = path.problems[step], path.references[step], path.afters[step]

    def carried(applied: Applied, back: Back) -> Back:
        if applied.node.operation != "affine":
            return back
        updated = np.asarray(after[applied.node.inputs[1]], dtype=np.float64)
        inputs = (applied.inputs[0], updated, *applied.inputs[2:])
        through = OPERATIONS["affine"].vjp(inputs, applied.output, applied.cotangent, applied.node.attributes, applied.store)
        return through[0], *back[1:]

    swept = textbook.sweep(problem.program, textbook.double(problem.arrays), replace=carried)
    gradients = textbook.evaluation_of(problem.program, swept).gradients
    scatters = {name: WIDER * scatter for name, scatter in reference.scatter.gradients.items()}
    evaluation = replace(reference.evaluation, gradients=gradients)
    return replace(reference, evaluation=evaluation, scatter=replace(reference.scatter, gradients=scatters))
