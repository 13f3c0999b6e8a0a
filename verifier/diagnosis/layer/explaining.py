"""Why a layer's gradient is wrong: its relation to the right one, the region, and the sizes and options at which it shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from verifier.checks.examination import Unanswered
from verifier.checks.layer.asking import Answered, LayerAsking, Raised, answer_patiently
from verifier.checks.layer.examining import ONE_SIGN, Departure, Examined
from verifier.checks.layer.jacobians import is_small, jacobians
from verifier.checks.layer.outputs import roles_of
from verifier.contracts.layer.claims import LayerClaims
from verifier.contracts.layer.drawing import LayerProblem, flattened
from verifier.diagnosis.layer.axes import shown_when
from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.regions import region_of
from verifier.diagnosis.layer.relations import related
from verifier.problems.sizes import Expression, Shape
from verifier.results.report import Diagnosis

CASES = 5  # problems whose derivatives are worked out one by one
OF_FORM = ("shape", "missing", "not finite")  # kinds of departure that are seen without differences
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
    return _together(sorted(found, key=lambda one: one.fault == NO_RELATION))


def _together(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Those of one mistake in several gradients as one, in the first of them."""
    kept: list[Diagnosis] = []
    same: dict[tuple[str, str], list[Diagnosis]] = {}
    for one in found:
        said = one.explanation.removeprefix(f"d{one.tensor} ")
        alike = same.setdefault((one.fault, said), [])
        alike.append(one)
        if len(alike) == 1 or one.fault == NO_RELATION:
            kept.append(one)
    return [_likewise(one, same[one.fault, one.explanation.removeprefix(f"d{one.tensor} ")]) for one in kept]


def _likewise(one: Diagnosis, alike: Sequence[Diagnosis]) -> Diagnosis:
    others = ", ".join(f"d{other.tensor}" for other in alike if other is not one)
    if not others or one.fault == NO_RELATION:
        return one
    return structs.replace(one, explanation=f"{one.explanation.rstrip('.')}; likewise {others}.")


def _explained(name: str, departures: Sequence[Departure], examined: Examined, cases: Sequence[Case]) -> Diagnosis:
    wrong = [case for case in cases if name in case.claimed and name in case.right and case.wrong(name)]
    failing = {departure.problem.index for departure in departures}
    of_gradients = [departure for departure in examined.departures if departure.kind != "outputs"]
    # Of several wrong gradients differences name one: then only all together say where the mistake shows.
    several = len({departure.tensor for departure in of_gradients}) > 1
    of_form = departures[0].kind in OF_FORM
    axes = where_shown({departure.problem.index for departure in of_gradients} if several else failing, examined, everywhere=of_form)
    relation = related(name, wrong)
    worst = next((departure for departure in departures if departure.claimed is not None), departures[0])
    region = "" if relation is not None else region_of(name, wrong)
    where = f" {axes}" if axes else ""
    asked = len({*examined.compared, *failing})
    evidence = f"On {len(failing)} of {asked} problems."
    label = f"d{name}"
    if of_form:
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


def where_shown(failing: set[int], examined: Examined, *, everywhere: bool) -> str:
    """Which sizes and options the failing problems have in common, such as "with pad = 0 only"; "" where nothing simple says it.

    `everywhere`: of all problems that were answered, where one look at an answer decides; else of those that were differenced.
    """
    looked_at = {*(examined.answers if everywhere else examined.compared), *failing}
    asked = {problem.index: problem for problem in examined.problems if problem.index in looked_at}
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
        cotangent_of=_places(asking, answered),
        operation=examined.claims.operation or "",
        parts=_parts(problem, examined.claims),
        part_of={name: role for role, name in roles_of(examined.claims).items()},
        axes=_axes_of_norm(examined.claims),
        variants={} if examined.claims.entry is None else examined.claims.entry.variants,
    )


def _places(asking: LayerAsking, answered: Answered) -> Mapping[str, slice]:
    """Where each cotangent lies among all, by the name by which backward reads it."""
    found, start = {}, 0
    for output in asking.outputs:
        end = start + answered.cotangents[output].size
        if output in asking.claims.ties.cotangents:
            found[asking.claims.ties.cotangents[output]] = slice(start, end)
        start = end
    return found


def _parts(problem: LayerProblem, claims: LayerClaims) -> Mapping[str, Any]:
    """The arrays by the operation's names; what belongs to channels has an axis of 1 for each other axis of x."""
    found: dict[str, Any] = {}
    roles = roles_of(claims)
    for role, name in roles.items():
        array = problem.arrays[name]
        if role in ("gamma", "beta") and "x" in roles:
            array = _spread(array, claims.shapes[name], claims.shapes[roles["x"]])
        found[role] = array
    return found


def _spread(array: NDArray[Any], shape: Shape, like: Shape) -> NDArray[Any]:
    own = [text for text in _letters(shape) if text != "1"]
    over = _letters(like)
    if not set(own) <= set(over) or sorted(own, key=over.index) != own:
        return array
    sizes = dict(zip(own, [length for length, text in zip(array.shape, _letters(shape), strict=True) if text != "1"], strict=True))
    return array.reshape([sizes.get(text, 1) for text in over])


def _letters(shape: Shape) -> list[str]:
    return [one.text if isinstance(one, Expression) else one for one in shape.dimensions]


def _axes_of_norm(claims: LayerClaims) -> tuple[int, ...]:
    """The axes of x over which statistics go: for batch norm those that gamma has not; else all but the samples'."""
    roles = roles_of(claims)
    if "x" not in roles or "gamma" not in roles:
        return (-1,)
    over, own = _letters(claims.shapes[roles["x"]]), _letters(claims.shapes[roles["gamma"]])
    if claims.operation == "batch_norm":
        return tuple(axis for axis, text in enumerate(over) if text not in own) or (0,)
    if claims.operation == "instance_norm":
        return tuple(axis for axis, text in enumerate(over) if text not in own and text != "N")
    return tuple(axis for axis, text in enumerate(over) if text in own) or (-1,)
