"""Why a layer's gradient is wrong: its relation to the right one, the region, and the sizes and options at which it shows."""

from collections.abc import Sequence

import numpy as np

from verifier.checks.examination import Unanswered
from verifier.checks.layer.asking import LayerAsking, Raised, answer_patiently
from verifier.checks.layer.examining import ONE_SIGN, Departure, Examined
from verifier.checks.layer.jacobians import is_small, jacobians
from verifier.contracts.layer.drawing import LayerProblem, flattened
from verifier.diagnosis.layer.axes import shown_when
from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.regions import region_of
from verifier.diagnosis.layer.relations import related
from verifier.results.report import Diagnosis

CASES = 5  # problems whose derivatives are worked out one by one
NO_RELATION = "no-known-mistake"


def explain_layer(examined: Examined, asking: LayerAsking) -> list[Diagnosis]:
    """One explanation for each gradient that is wrong, the first named first; exchanged ones count once."""
    found: list[Diagnosis] = []
    cases = _cases(examined, asking)
    told: set[str] = set()
    for name in dict.fromkeys(departure.tensor for departure in examined.departures if departure.kind not in ("raised", "outputs")):
        if name in told:
            continue
        of_name = [departure for departure in examined.departures if departure.tensor == name]
        diagnosis = _explained(name, of_name, examined, cases)
        if diagnosis.fault == "exchanged":
            told |= {other for other in examined.claims.differentiate if f"d{other} " in diagnosis.explanation}
        found.append(diagnosis)
    return sorted(found, key=lambda one: one.fault == NO_RELATION)


def _explained(name: str, departures: Sequence[Departure], examined: Examined, cases: Sequence[Case]) -> Diagnosis:
    wrong = [case for case in cases if name in case.claimed and name in case.right and case.wrong(name)]
    failing = {departure.problem.index for departure in departures}
    of_gradients = [departure for departure in examined.departures if departure.kind != "outputs"]
    # Of several wrong gradients differences name one: then only all together say where the mistake shows.
    several = len({departure.tensor for departure in of_gradients}) > 1
    axes = _axes({departure.problem.index for departure in of_gradients} if several else failing, examined)
    relation = related(name, wrong)
    worst = next((departure for departure in departures if departure.claimed is not None), departures[0])
    region = "" if relation is not None else region_of(name, wrong)
    where = f" {axes}" if axes else ""
    asked = len({*examined.compared, *failing})
    evidence = f"On {len(failing)} of {asked} problems."
    label = f"d{name}"
    if departures[0].kind in ("shape", "missing", "not finite"):
        says = f"{label} {departures[0].says}{',' if where else ''}{where}."
        return Diagnosis(departures[0].kind.replace(" ", "-"), "", says, evidence, examined.claims.name, name, "", axes)
    if relation is not None:
        mistake, said = relation
        return Diagnosis(mistake, "", f"{label} {said}{',' if where else ''}{where}.", evidence, examined.claims.name, name, "", axes)
    place = f" {region}" if region else ""
    numbers = "" if worst.claimed is None else f": {_place(worst)} = {worst.claimed:.6g}, should be {worst.right:.6g}"
    if worst.kind == "ties":
        return Diagnosis("ties", "", f"{label} {worst.says}{where}.", evidence, examined.claims.name, name, "at ties", axes)
    if worst.kind in ("layout", "linear"):
        return Diagnosis(worst.kind, "", f"{label} {worst.says}.", evidence, examined.claims.name, name, "", axes)
    says = f"{label} is wrong{place}{where}{numbers}, at {worst.problem.describe()}."
    return Diagnosis(NO_RELATION, "", says, evidence, examined.claims.name, name, region, axes)


def _place(departure: Departure) -> str:
    return f"d{departure.tensor}[{', '.join(map(str, departure.index))}]" if departure.index else f"d{departure.tensor}"


def _axes(failing: set[int], examined: Examined) -> str:
    """Of the problems that were differenced, which have in common that they fail."""
    asked = {problem.index: problem for problem in examined.problems if problem.index in {*examined.compared, *failing}}
    wrong = [flattened(problem.values) for index, problem in asked.items() if index in failing]
    right = [flattened(problem.values) for index, problem in asked.items() if index not in failing]
    sizes = next((problem.sizes for problem in examined.problems), ())
    return shown_when(wrong, right, sizes)


def _cases(examined: Examined, asking: LayerAsking) -> list[Case]:
    """The smallest failing problems, with all their derivatives."""
    names = tuple(name for name in next(iter(examined.answers.values())).gradients)
    failing = {departure.problem.index: departure.problem for departure in examined.departures if departure.kind == "differences"}
    usable = [problem for problem in failing.values() if is_small(problem, names) and problem.stress not in ONE_SIGN]
    found = []
    for problem in sorted(usable, key=lambda one: -_variety(one))[:CASES]:
        try:
            found.append(_case(problem, names, asking, examined))
        except (Raised, Unanswered):
            continue
    return found


def _variety(problem: LayerProblem) -> int:
    """How many sizes of a problem differ from one another and from 1: the more, the fewer relations hold by accident."""
    sizes = [size for name, size in problem.values.items() if name in problem.sizes]
    return len(set(sizes)) - sizes.count(1)


def _case(problem: LayerProblem, names: tuple[str, ...], asking: LayerAsking, examined: Examined) -> Case:
    found = jacobians(asking, problem, names)
    answered = answer_patiently(asking, problem)
    claimed = {
        name: gradient
        for name, gradient in answered.gradients.items()
        if gradient is not None and gradient.shape == problem.arrays[name].shape
    }
    output = asking.outputs[0]
    return Case(
        values=flattened(problem.values),
        arrays={name: array for name, array in problem.arrays.items() if array.dtype.kind == "f"},
        claimed=claimed,
        jacobians=found,
        cotangent=np.concatenate([answered.cotangents[name].ravel() for name in asking.outputs]),
        shape=answered.outputs[output].shape if len(asking.outputs) == 1 else (),
    )
