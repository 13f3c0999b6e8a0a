"""Why a layer's gradient is wrong: its relation to the right one, the region, and the sizes and options at which it shows."""

from collections.abc import Sequence

from msgspec import structs

from verifier.arrays import element_of
from verifier.checks.layer.asking import LayerAsking
from verifier.checks.layer.examined import Departure, Examined
from verifier.contracts.layer.drawing import flattened
from verifier.counting import counted
from verifier.diagnosis.layer.axes import shown_when
from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.cases import cases_of
from verifier.diagnosis.layer.changed import OPERATION, SEARCHED, Known, by_changed_operation
from verifier.diagnosis.layer.regions import is_there, region_of
from verifier.diagnosis.layer.relations import related
from verifier.diagnosis.layer.sequences import own_step
from verifier.results.report import Diagnosis

OF_FORM = ("shape", "missing", "not finite")  # kinds of departure that are seen without differences
AT = {"ties": " where elements are equal only", "zeros": " where elements are zero only"}
NO_RELATION = "no-known-mistake"
CONVENTIONAL = {"in the first row only": 0, "in the last row only": -1}  # where an embedding has its padding
SOME_FACTOR = "some-factor"  # a relation that says least
TINY = 1e-3  # of an element: no term is that small; it names, and decides nothing


def explain_layer(examined: Examined, asking: LayerAsking) -> list[Diagnosis]:
    """One explanation for each gradient that is wrong, the first named first; exchanged ones count once."""
    found: list[Diagnosis] = []
    cases = cases_of(examined, asking)
    explained: set[str] = set()
    known = Known(searched=SEARCHED if _lacks_later_steps(cases) else 0)
    for name in dict.fromkeys(departure.tensor for departure in examined.departures if departure.kind not in ("raised", "outputs")):
        if name in explained:
            continue
        of_name = [departure for departure in examined.departures if departure.tensor == name]
        diagnosis = _explained(name, of_name, examined, cases, asking, known)
        if diagnosis.fault == "exchanged":
            explained |= {other for other in examined.claims.differentiate if f"d{other} " in diagnosis.explanation}
        found.append(diagnosis)
    if any(one.fault in (NO_RELATION, SOME_FACTOR, OPERATION) for one in found):
        asking.restart()  # what was asked with changed operations may have kept arrays that are watched
    return _together(sorted(found, key=lambda one: one.fault == NO_RELATION))


def _lacks_later_steps(cases: Sequence[Case]) -> bool:
    """Whether one gradient of a sequence is that of each step alone: what else is wrong lacks the same, by no one operation."""
    names = dict.fromkeys(name for case in cases for name in case.claimed if name in case.right and case.wrong(name))
    return any(own_step(name, [case for case in cases if name in case.claimed and case.wrong(name)]) is not None for name in names)


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


def _explained(
    name: str, departures: Sequence[Departure], examined: Examined, cases: Sequence[Case], asking: LayerAsking, known: Known
) -> Diagnosis:
    wrong = [case for case in cases if name in case.claimed and name in case.right and case.wrong(name)]
    failing = {departure.problem.index for departure in departures}
    of_gradients = [departure for departure in examined.departures if departure.kind != "outputs"]
    # Of several wrong gradients differences name one: then only all together say where the mistake shows.
    several = len({departure.tensor for departure in of_gradients}) > 1
    of_form = departures[0].kind in OF_FORM
    axes = where_shown({departure.problem.index for departure in of_gradients} if several else failing, examined, everywhere=of_form)
    relation = related(name, wrong)
    if relation is None or relation[0] == SOME_FACTOR:
        relation = by_changed_operation(name, wrong, asking, known) or relation
    untied = [departure for departure in departures if departure.kind != "ties"] or departures  # no matter of ties where it shows without
    worst = next((departure for departure in untied if departure.claimed is not None), untied[0])
    region = "" if relation is not None and relation[0] != OPERATION else region_of(name, wrong)
    where = f" {axes}" if axes else ""
    asked = len({*examined.compared, *failing})
    evidence = f"On {len(failing)} of {counted(asked, 'problem')}."
    label = f"d{name}"
    if of_form:
        where = _only_under(departures) or where
        says = f"{label} {departures[0].says}{',' if where else ''}{where}."
        return Diagnosis(departures[0].kind.replace(" ", "-"), "", says, evidence, examined.claims.name, name, "", axes)
    if relation is not None:
        mistake, said = relation
        if said.startswith("is divided by ") and said.endswith(": it should not be"):
            size = said.removeprefix("is divided by ").removesuffix(": it should not be")
            evidence += f' If that is meant, declare it: mean = {{ {name} = "{size.replace("·", "*")}" }}.'
        says = f"{label} is wrong {region}: it {said}" if region else f"{label} {said}"
        return Diagnosis(mistake, "", f"{says}{',' if where else ''}{where}.", evidence, examined.claims.name, name, region, axes)
    place = f" {region}" if region else ""
    numbers = "" if worst.claimed is None else f": {_place(worst)} = {worst.claimed:.6g}, should be {worst.right:.6g}"
    if worst.kind == "ties":
        return Diagnosis("ties", "", f"{label} {worst.says}{where}.", evidence, examined.claims.name, name, "at ties", axes)
    if worst.kind in ("layout", "linear"):
        return Diagnosis(worst.kind, "", f"{label} {worst.says}.", evidence, examined.claims.name, name, "", axes)
    if worst.claimed and worst.right and cases and not wrong and abs(worst.claimed - worst.right) <= TINY * abs(worst.right):
        off = f"is off by {abs(worst.claimed / worst.right - 1):.1g} of itself"
        says = f"{label} {off}{where}{numbers}: an ε that only the backward pass has, or a constant with too few digits."
        return Diagnosis(NO_RELATION, "", says, evidence, examined.claims.name, name, "", axes)
    what = is_there(name, wrong) if place else "is wrong"
    if what == "is zero" and region in CONVENTIONAL:
        row = CONVENTIONAL[region]
        evidence += f" If that is a convention, as of PyTorch's padding_idx, declare it: zero_at = {{ {name} = [{row}] }}."
    says = f"{label} {what}{place}{where}{numbers}, at {worst.problem.describe()}."
    return Diagnosis(NO_RELATION, "", says, evidence, examined.claims.name, name, region, axes)


def _only_under(departures: Sequence[Departure]) -> str:
    """What is special about all of these problems beside their sizes: there a division by a distance of 0 is none by chance."""
    stresses = {departure.problem.stress for departure in departures}
    return AT.get(stresses.pop(), "") if len(stresses) == 1 else ""


def _place(departure: Departure) -> str:
    return element_of(f"d{departure.tensor}", departure.index)


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
