"""`stages`: are the pre-activations, activations and deltas that the candidate shows those of the equations?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.checks.check import Check
from verifier.checks.examination import Examination, Finding, Item, compared, concluded, departs, skipped, without
from verifier.contracts.calling import Call
from verifier.contracts.mlp.calling import STAGES, deltas_call, forward_call, read_stages
from verifier.contracts.mlp.claims import Claims
from verifier.problems.program import Problem, Role
from verifier.results.outcome import Measurement

ID = "stages"
SUMMARY = "what `forward` and `deltas` return are the stages of the equations"
_EQUATIONS = {"pre_activations": "forward", "activations": "forward"}


def check(examination: Examination) -> Finding:
    """Every stage that the candidate's optional functions show, in the order of the equations."""
    functions = examination.asking.functions
    if not {"forward", "deltas"} & set(functions):
        return skipped(ID, without(examination, list(STAGES), "The candidate has neither `forward` nor `deltas`."))
    found: list[Measurement] = []
    for item in examination.answered:
        if "forward" in functions:
            found += _compare(examination, item, forward_call(item.problem, examination.claims))
        if "deltas" in functions:
            found += _compare(examination, item, deltas_call(item.problem, examination.claims))
    finding = concluded(ID, found, passed="Every stage agrees.", failed=lambda worst, wrong: departs(worst))
    if finding.outcome.status != "fail":
        return finding
    first, stage = _first_wrong(found, {item.index: item.problem.roles for item in examination.answered})
    message = _failed(first, stage, finding.outcome.failed, finding.outcome.problems)
    return replace(finding, outcome=msgspec.structs.replace(finding.outcome, message=message), equation=equation_of(stage))


def _compare(examination: Examination, item: Item, call: Call) -> list[Measurement]:
    def read(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
        return read_stages(tree, arrays, item.problem, examination.claims, STAGES[call.function])

    stages = examination.asking.call(item.problem, call, read, where=item.where)
    scale = delta_factor(examination.claims, item.problem)
    found: list[Measurement] = []
    for name, claimed in stages.items():
        factor = scale if name.startswith("deltas") else 1.0
        right = item.reference.stages[name] * factor
        found += compared(ID, item, name, claimed, right, item.reference.stage_tolerance(name) * factor)
    return found


def delta_factor(claims: Claims, problem: Problem) -> float:
    """What `delta_scale = "sample"` leaves out of a delta: the reduction's divisor."""
    if claims.delta_scale != "sample":
        return 1.0
    return next(node.attributes["divisor"] for node in problem.program.nodes if node.operation == "reduce")


def equation_of(stage: Role) -> str:
    """The id of the equation that a stage comes from."""
    return _EQUATIONS.get(stage.kind) or ("output-delta" if stage.position == "output" else "hidden-delta")


def _first_wrong(found: Sequence[Measurement], roles: Mapping[int, Mapping[str, Role]]) -> tuple[Measurement, Role]:
    """The first wrong stage of the first wrong problem: forward from the input, then deltas from the output."""
    wrong = [measurement for measurement in found if measurement.status == "fail"]
    first = [
        (measurement, roles[measurement.problem][measurement.tensor]) for measurement in wrong if measurement.problem == wrong[0].problem
    ]

    def order(pair: tuple[Measurement, Role]) -> tuple[int, int]:
        role = pair[1]
        return (1, -role.layer) if role.kind == "deltas" else (0, 2 * role.layer + (role.kind == "activations"))

    return min(first, key=order)


def _failed(first: Measurement, stage: Role, wrong: int, problems: int) -> str:
    return (
        f"The first wrong stage is {first.tensor} (equation `{equation_of(stage)}`): {departs(first)} "
        f"Wrong on {wrong} of {problems} networks; this is network {first.problem} ({first.network})."
    )


CHECK = Check(ID, SUMMARY, check, needs=frozenset({"stages"}), headline=5, shrinkable=True, functions=("forward", "deltas"))
