"""`finite-difference`: is the backward pass the derivative of the candidate's own loss?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray, element_of, finite_or_none
from verifier.checks.check import Check, Size
from verifier.checks.examination import Differenced, Examination, Finding, Item, Unanswered, outputs_call, skipped, without
from verifier.counting import counted
from verifier.oracles.finite_difference.line import DirectionResult
from verifier.oracles.finite_difference.problem import Moves, ProblemDifferences, check_problem
from verifier.problems.operations import OPERATIONS, exact
from verifier.problems.program import Node, Problem, machine_epsilon
from verifier.results.outcome import Measurement, Outcome, Status

Gradients = Mapping[str, FloatArray]

ID = "finite-difference"
SUMMARY = "the gradients are the derivative of the candidate's own loss"
SOURCE = "8 x error bound of the difference"
A_NETWORK = 36  # losses at most of a right gradient: 21 on a first line, of which 7 tell the noise, and 14 on a second
EACH_TENSOR = 90  # more, where each of some six tensors is asked alone
_SPREAD = 13  # coprime to the numbers of strata and of networks: a part of the corpus still meets most strata


def check(examination: Examination) -> Finding:
    """Difference the candidate's loss on a part of the corpus."""
    gives_loss = any(evaluation.loss is not None for evaluation in examination.evaluations.values())
    answered = examination.answered
    if not gives_loss and (not answered or outputs_call(examination, answered[0].problem) is None):
        why = "The candidate returns no loss and has no `predict`: return the loss, or define predict(weights, biases, x)."
        return skipped(ID, without(examination, ["predict"], why, "No loss comes back, and"))
    done: list[Differenced] = []
    unanswered: list[str] = []
    for item in chosen(examination):
        claimed = examination.evaluations[item.index].gradients
        if not all(np.isfinite(gradient).all() for gradient in claimed.values()):
            continue
        try:
            found = sum(one.differences.status == "fail" for one in done)
            done.append(Differenced(item, difference(examination, item, locate=found < examination.located)))
        except Unanswered as error:
            unanswered.append(str(error))
            if error.fatal:
                break
    if not done:
        return Finding(Outcome(ID, "error", unanswered[0])) if unanswered else skipped(ID, "No problem has a finite answer.")
    return conclude(done, unanswered)


def chosen(examination: Examination) -> list[Item]:
    """The part of the corpus whose loss is differenced."""
    count = max(1, len(examination.items))
    order = sorted(examination.answered, key=lambda item: (item.index * _SPREAD) % count)
    return order[: examination.differences]


def difference(examination: Examination, item: Item, *, locate: bool) -> ProblemDifferences:
    """What differences of the candidate's loss say of its gradient on one network; with `locate`, of the wrong element too."""
    problem = item.problem
    theta = {name: problem.arrays[name] for name in problem.program.differentiate}

    def points(direction: Mapping[str, FloatArray], steps: FloatArray) -> FloatArray:
        return examination.asking.losses(problem, direction, steps, where=item.where)

    return check_problem(
        points,
        theta,
        examination.evaluations[item.index].gradients,
        moves=moves_of(problem),
        dtype=problem.dtype,
        loss_scatter=item.reference.scatter.loss / machine_epsilon(problem.dtype),
        seed=examination.seed,
        index=item.index,
        every_tensor=examination.every_tensor,
        locate=locate,
    )


def moves_of(problem: Problem) -> Moves:
    """How far the reference's pre-activations move along a direction, and whether a kink is crossed on the way."""
    arrays = {name: array[None] for name, array in textbook.double(problem.arrays).items()}
    kinked = [node for node in problem.program.nodes if OPERATIONS[node.operation].kinks(node.attributes)]
    watched = [name for name in problem.program.stages if name.startswith("pre_activations")]
    wanted = {*watched, *(node.inputs[0] for node in kinked)}
    last = max((index for index, node in enumerate(problem.program.nodes) if node.output in wanted), default=-1)

    def moves(direction: Mapping[str, FloatArray], step: float) -> tuple[float, bool]:
        along = np.array([0.0, step, -step, step / 2, -step / 2])
        with np.errstate(all="ignore"):
            values = _moved(problem.program.nodes[: last + 1], arrays, direction, along)
            largest = max((float(np.max(np.abs(values[name] - values[name][:1]))) for name in watched), default=0.0)
        for node in kinked:
            argument = values[node.inputs[0]]
            for kink in OPERATIONS[node.operation].kinks(node.attributes):
                side = argument > kink
                if bool(np.any(side != side[:1])):
                    return largest, True
        return largest, False

    return moves


def _moved(
    nodes: Sequence[Node], arrays: Mapping[str, FloatArray], direction: Mapping[str, FloatArray], along: FloatArray
) -> Mapping[str, FloatArray]:
    """Every node's output at these steps, the steps as its leading axis.

    An affine node is linear in its parameters, z = (W + t·V) a = W a + t·V a: five copies of the weights would be five times the network.
    """
    values = dict(arrays)

    def moved(name: str) -> FloatArray:
        return values[name] + along.reshape((-1,) + (1,) * direction[name].ndim) * direction[name]

    for node in nodes:
        weights = node.inputs[1] if node.operation == "affine" else ""
        inputs = tuple(moved(name) if name in direction and name != weights else values[name] for name in node.inputs)
        output = OPERATIONS[node.operation].forward(inputs, node.attributes, exact)
        if weights in direction:
            output = output + along[:, None, None] * (inputs[0] @ direction[weights].T)
        values[node.output] = output
    return values


def conclude(done: Sequence[Differenced], unanswered: Sequence[str] = ()) -> Finding:
    """The finding from every problem's differences."""
    measurements = [_measurement(one, line) for one in done for line in one.differences.directions]
    failed = [one for one in done if one.differences.status == "fail"]
    powers = [power for one in done for power in one.differences.resolves.values() if np.isfinite(power)]
    resolves = float(median(powers)) if powers else None
    if failed:
        status: Status = "fail"
        message, worst = _failed(failed, len(done))
    else:
        unseen = undecided_roles(done)
        status = "inconclusive" if unseen else "pass"
        message, worst = (_inconclusive(unseen, done) if unseen else _passed(done, resolves)), None
    if unanswered:
        message += f" {counted(len(unanswered), 'network')} could not be asked: {unanswered[0]}"
        status = "error" if status == "pass" else status
    outcome = Outcome(
        ID,
        status,
        message,
        problems=len(done),
        failed=len(failed),
        error=None if worst is None else worst.error,
        tolerance=None if worst is None else worst.tolerance,
        tensor=None if worst is None else worst.tensor,
        problem=None if worst is None else worst.problem,
        resolves=resolves,
    )
    return Finding(outcome, tuple(measurements), differenced=tuple(done))


def _measurement(one: Differenced, line: DirectionResult) -> Measurement:
    status: Status = {"pass": "pass", "fail": "fail", "undecided": "inconclusive"}[line.status]  # type: ignore[assignment]
    failed = line.status == "fail"
    return Measurement(
        check=ID,
        problem=one.item.index,
        network=one.item.problem.description,
        tensor=line.tensor,
        error=finite_or_none(abs(line.error)),
        tolerance=finite_or_none(line.tolerance),
        source=SOURCE,
        status=status,
        resolves=finite_or_none(line.resolves),
        steps=tuple(line.slope.steps) if failed else (),
        differences=tuple(finite_or_none(difference) for difference in line.slope.differences) if failed else (),
        step=line.slope.step,
    )


def undecided_roles(done: Sequence[Differenced]) -> list[str]:
    """Roles (`first weights`, `output biases`, …) of which no tensor was decided in the whole run."""
    roles: dict[str, bool] = {}
    for one in done:
        for tensor, status in one.differences.tensors.items():
            role = one.item.problem.role_of(tensor)
            roles[role] = roles.get(role, False) or status != "undecided"
    return sorted(role for role, decided in roles.items() if not decided)


def _failed(failed: Sequence[Differenced], problems: int) -> tuple[str, Measurement]:
    lines = [(one, line) for one in failed for line in one.differences.directions if line.status == "fail"]
    own = [(one, line) for one, line in lines if line.tensor != "all"] or lines
    one, line = max(own, key=lambda pair: abs(pair[1].error) / pair[1].tolerance if pair[1].tolerance > 0 else float("inf"))
    element = one.differences.element
    if element is not None:
        error = abs(element.estimated - element.claimed)
        text = (
            f"{element_of(element.tensor, element.index)} = {element.claimed:.4g}, but the candidate's own loss changes by "
            f"{element.estimated:.4g} per unit (error {error:.2g}, tolerance {element.tolerance:.2g} = {SOURCE})."
        )
    else:
        name = "the gradient" if line.tensor == "all" else line.tensor
        text = (
            f"Along a direction through {name} the candidate's own loss changes by {line.error:+.4g} more than claimed "
            f"(tolerance {line.tolerance:.2g} = {SOURCE})."
        )
    others = f" Wrong on {len(failed)} of {problems} networks; this is network {one.item.index} ({one.item.problem.description})."
    return text + others, _measurement(one, line)


def _inconclusive(unseen: Sequence[str], done: Sequence[Differenced]) -> str:
    single = all(one.item.problem.dtype == "float32" for one in done)
    why = "float32 losses are too coarse to difference" if single else "the loss is noisy: is it computed in float32, or rounded?"
    return f"No network decides the {', '.join(unseen)}: errors below 1 % cannot be seen there; {why}"


def _passed(done: Sequence[Differenced], resolves: float | None) -> str:
    power = "" if resolves is None else f"; this pass excludes errors above {resolves:.1g} of a tensor's largest element (median)"
    return f"The gradients are the derivative of the candidate's own loss on {counted(len(done), 'network')}{power}."


def derivative_of_the_loss(item: Item) -> Mapping[str, FloatArray]:
    """The gradients that differences of the loss see: those of the reference, but for a softmax with an ε, through its shift as well."""
    if not any("softmax_epsilon" in node.attributes for node in item.problem.program.nodes):
        return item.reference.gradients
    nodes = tuple(
        replace(node, attributes={**node.attributes, "through_shift": 1.0}) if "softmax_epsilon" in node.attributes else node
        for node in item.problem.program.nodes
    )
    return textbook.evaluate(replace(item.problem, program=replace(item.problem.program, nodes=nodes))).gradients


def predicted_error(line: DirectionResult, right: Gradients, claimed: Gradients) -> float:
    """The slope error that a line would see if `right` were the truth, Σ (right - claimed)·v."""
    return float(sum(((right[name] - claimed[name]) * along).sum() for name, along in line.direction.items()))


def _calls(size: Size) -> float:
    return size.differences * (A_NETWORK + (EACH_TENSOR if size.every_tensor else 0))


CHECK = Check(ID, SUMMARY, check, needs=frozenset({"loss"}), headline=3, calls=_calls)
