"""Which line, if the right value stood there, would make every wrong gradient right?

A candidate is watched on one small network that shows its mistake. For each place where it sets a value, each right quantity that fits is
put there in a run of its own, and the answer says which wrong tensors came right and whether another one went wrong. Values that are no
right quantity are tried first, from the earliest on: behind the mistake many are wrong, before it none. Then right values in the wrong
place ("∂L/∂a used as δ"), from the last on. One line that fixes everything is preferred; else the earliest that fixes something is kept,
and the search goes on with what stays wrong.

Nothing is said unless everything is fixed, and the same lines with the same quantities fix another random network. A final tensor can
always be put right as a whole: that says something only where the δ that it is made of was right.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.mlp.repair.quantities import FINAL, FORWARD, SYMBOLS, WITHOUT_LAYER, Quantities, quantities_of
from verifier.diagnosis.mlp.repair.reading import CLOSE, Reading
from verifier.diagnosis.mlp.repair.watching import Put, Setting, Slot, Watch, Watched
from verifier.oracles.reference import Reference
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation

LINES = 4  # repaired at most
RERUNS = 1_500
TOGETHER = 24  # calls in one message
CALLS = 3  # functions between a call and the line that goes wrong
LOSS = "loss"

Step = tuple["Repair", frozenset[str]]  # a repair, and what stays wrong with it


@dataclass(frozen=True)
class Repair:
    """A slot and the quantity that belongs there.

    `factor`: by its name. `skipped`: how many of those of one shape come before the first that goes there.
    """

    slot: Slot
    kind: str
    factor: str
    skipped: int = 0

    def put(self, quantities: Quantities) -> Put:
        """The array to put into the place, for each shape that it may have there."""
        factor = quantities.factors[self.factor]
        choices = {}
        for shape, found in quantities.by_shape[self.kind].items():
            after = found[self.skipped :] if len(found) > 1 else found
            choices[shape] = tuple(factor * one.array for one in after)
        return Put(self.slot, choices)


@dataclass(frozen=True)
class Found:
    """A repair, the first setting that it changes, and what was set in that call.

    `undone`: the change of weights that is the reason: without it, what is set here is right.
    """

    repair: Repair
    index: int
    reading: Reading
    undone: Setting | None = None

    @property
    def setting(self) -> Setting:
        return self.reading.settings[self.index]


@dataclass(frozen=True)
class Repaired:
    """What fixes a candidate, in the order in which the lines run; and how many calls it took to find."""

    found: tuple[Found, ...]
    reruns: int

    @property
    def repairs(self) -> tuple[Repair, ...]:
        return tuple(one.repair for one in self.found)


class Exhausted(Exception):
    """No more reruns: nothing is said."""


@dataclass
class Patient:
    """A candidate under repair, on one network. `trusted`: lines, by file and number, that are known to be right."""

    problem: Problem
    reference: Reference
    quantities: Quantities
    watch: Watch
    trusted: Collection[tuple[str, int]] = ()
    reruns: int = 0

    def asked(self, puts: Sequence[Sequence[Put]], *, recorded: bool = False) -> Sequence[Watched]:
        """What the candidate computes with each of these replacements; raises Exhausted where it was asked too often or does not answer."""
        self.reruns += len(puts)
        if self.reruns > RERUNS:
            raise Exhausted
        answers = self.watch(self.problem, puts, recorded)
        if answers is None:
            raise Exhausted
        return answers

    def reading(self, repairs: Iterable[Repair]) -> tuple[Reading, frozenset[str]] | None:
        """What the lines set with these repairs in place, and what is wrong then."""
        watched = self.asked([[repair.put(self.quantities) for repair in repairs]], recorded=True)[0]
        wrong = wrong_in(watched.evaluation, self.reference)
        return None if wrong is None else (Reading(watched.settings, self.quantities, CLOSE[self.problem.dtype]), wrong)


def wrong_in(evaluation: Evaluation | None, reference: Reference) -> frozenset[str] | None:
    """Names of the gradients that are wrong, and `loss` where it is; None where there is no usable answer."""
    if evaluation is None:
        return None
    right = reference.gradients
    with np.errstate(all="ignore"):
        wrong = {
            name
            for name, gradient in evaluation.gradients.items()
            if not bool(np.all(np.abs(gradient - right[name]) <= reference.gradient_tolerance(name) + evaluation.rounding.get(name, 0.0)))
        }
        loss = reference.loss
        if evaluation.loss is not None and loss is not None and not abs(evaluation.loss - loss) <= reference.loss_tolerance():
            wrong.add(LOSS)
    return frozenset(wrong)


def find_repairs(
    network: tuple[Problem, Reference],
    others: Sequence[tuple[Problem, Reference]],
    claims: Claims,
    watch: Watch,
    rate: float | None,
    trusted: Collection[tuple[str, int]] = (),
) -> Repaired | None:
    """The lines to repair, found on one network; None where it does not show the mistake, or all others do not confirm them.

    Args:
        rate: of the step, where steps are asked for.
        trusted: lines, by file and number, that are known to be right.
    """
    problem, reference = network
    patient = Patient(problem, reference, quantities_of(problem, claims, rate), watch, trusted)
    try:
        repaired = _lines_to_repair(patient)
    except Exhausted:
        return None
    return repaired if repaired is not None and _confirmed(repaired.repairs, others, claims, watch, rate) else None


def _confirmed(
    repairs: Sequence[Repair], others: Sequence[tuple[Problem, Reference]], claims: Claims, watch: Watch, rate: float | None
) -> bool:
    """Whether they fix every other network that shows the mistake, one at least."""
    shown = 0
    for problem, reference in others:
        quantities = quantities_of(problem, claims, rate)
        answers = watch(problem, [[], [repair.put(quantities) for repair in repairs]], False)
        if answers is None:
            return False
        before, after = (wrong_in(answer.evaluation, reference) for answer in answers)
        if after is None or after:
            return False
        shown += bool(before)
    return shown > 0


def _lines_to_repair(patient: Patient) -> Repaired | None:
    """Lines one after another, each the one whose repair leaves least wrong, until nothing is; None where `LINES` are not enough."""
    kept: list[Repair] = []
    shown: list[Found] = []
    while len({(repair.slot.file, repair.slot.line) for repair in kept}) < LINES:
        found = patient.reading(kept)
        if found is None or not found[1]:
            return None  # nothing to fix here
        reading, wrong = found
        step = _next(patient, kept, reading, wrong)
        if step is None:
            return None
        repair, left = step
        kept.append(repair)
        shown.append(Found(repair, _first_departure(reading, repair), reading))
        if not left:
            if len(shown) == 1:
                shown = [replace(shown[0], undone=_undone(patient, shown[0], wrong))]
            return Repaired(tuple(sorted(shown, key=lambda one: (one.repair.slot.file, one.index))), patient.reruns)
    return None


def _undone(patient: Patient, found: Found, wrong: frozenset[str]) -> Setting | None:
    """The change of one layer's weights, before a line, without which the layers below it come right; `wrong` is what is wrong with it."""
    for setting, known in zip(found.reading.settings[: found.index], found.reading.known[: found.index], strict=True):
        for layer in {one.layer for one in patient.quantities.at("weights", setting.value.shape)}:
            if layer == 0 or wrong <= {f"weights[{layer}]"} or any(one.quantity.kind in ("weights", "weight-gradient") for one in known):
                continue
            original = next(one for one in patient.quantities.at("weights", setting.value.shape) if one.layer == layer)
            answer = patient.asked([[Put(setting.slot, {setting.value.shape: (original.array,)})]])[0]
            left = wrong_in(answer.evaluation, patient.reference)
            if left is not None and left <= {f"weights[{layer}]"}:
                return setting
    return None


def _next(patient: Patient, kept: Sequence[Repair], reading: Reading, wrong: frozenset[str]) -> Step | None:
    """The repair that fixes everything, else the first of those that fix something and replace the fewest right values."""
    partial: list[Step] = []
    trials = _trials(reading, forward_first=LOSS in wrong)
    of_loss = wrong == {LOSS}  # the loss itself comes last: a wrong forward pass makes it wrong, too
    trials = [repair for repair in trials if repair not in kept and (repair.slot.file, repair.slot.line) not in patient.trusted]
    tried = [repair for repair in trials if (repair.kind in WITHOUT_LAYER) == of_loss]
    for step in _steps(patient, kept, reading, wrong, tried):
        if not step[1]:
            return _where_it_is_called(patient, kept, reading, wrong, step, tried)
        partial.append(step)

    def preferred(step: Step) -> tuple[bool, int]:
        repair, _ = step
        # Where the loss is wrong too, a wrong forward pass is the reason for what is wrong behind it.
        return LOSS in wrong and repair.kind not in FORWARD, reading.replaced(repair.slot, repair.kind, repair.factor)

    return min(partial, key=preferred, default=None)


def _steps(patient: Patient, kept: Sequence[Repair], reading: Reading, wrong: frozenset[str], tried: Sequence[Repair]) -> Iterator[Step]:
    """Each repair that fixes something and makes nothing wrong, with what stays wrong."""
    before = [repair.put(patient.quantities) for repair in kept]
    for start in range(0, len(tried), TOGETHER):
        batch = tried[start : start + TOGETHER]
        answers = patient.asked([[*before, repair.put(patient.quantities)] for repair in batch])
        for repair, answer in zip(batch, answers, strict=True):
            left = wrong_in(answer.evaluation, patient.reference)
            if left is not None and left < wrong and _says_something(repair, wrong - left, reading):
                yield repair, left


def _where_it_is_called(
    patient: Patient, kept: Sequence[Repair], reading: Reading, wrong: frozenset[str], step: Step, tried: Sequence[Repair]
) -> Step:
    """The call that gives a function the wrong thing, where that fixes as much as the line within it, or within one that it calls."""
    functions, calls = {step[0].slot.function}, [slot for slot in reading.by_slot if slot.name.endswith(")")]
    for _ in range(CALLS):
        functions |= {slot.function for slot in calls if slot.name.partition("(")[0] in functions}
    given = {
        slot for slot in calls if slot.name.partition("(")[0] in functions and reading.by_slot[slot][0] < reading.by_slot[step[0].slot][-1]
    }
    others = sorted((repair for repair in tried if repair.slot in given), key=lambda repair: reading.by_slot[repair.slot][0])
    return next((better for better in _steps(patient, kept, reading, wrong, others) if not better[1]), step)


def _trials(reading: Reading, *, forward_first: bool) -> list[Repair]:
    """Every repair worth a run: wrong values from the earliest on, then right ones in the wrong place from the last on.

    Between them, right but for a factor, the earliest again: from there on it is carried along.
    """
    wrong = sorted(reading.first_wrong, key=lambda slot: reading.first_wrong[slot])
    right = [slot for slot in reading.by_slot if slot not in reading.first_wrong]
    backward = sorted(right, key=lambda slot: -reading.by_slot[slot][-1])
    trials = [*_repairs(reading, wrong)]
    trials += [repair for repair in _repairs(reading, right) if repair.kind in FORWARD]
    trials += [
        repair for repair in _repairs(reading, right) if repair.kind not in FORWARD and reading.is_a_multiple(repair.slot, repair.kind)
    ]
    trials += [repair for repair in _repairs(reading, backward) if repair.kind not in FORWARD]
    trials = list(dict.fromkeys(trials))
    return sorted(trials, key=lambda repair: repair.kind not in FORWARD) if forward_first else trials


def _repairs(reading: Reading, slots: Iterable[Slot]) -> Iterator[Repair]:
    carried = _carried(reading)
    for slot in slots:
        for kind in SYMBOLS:
            if not reading.fits(slot, kind) or reading.varies(slot, kind):
                continue
            factors = sorted(reading.quantities.factors_of(kind), key=lambda factor: (factor not in carried, factor != ""))
            for factor in factors:
                if not reading.holds(slot, kind, factor):
                    yield from (Repair(slot, kind, factor, skipped) for skipped in ((0, 1) if reading.is_ambiguous(slot, kind) else (0,)))


def _carried(reading: Reading) -> frozenset[str]:
    """The factors on what is right already."""
    return frozenset(one.factor for known in reading.known for one in known if one.quantity.kind not in FINAL)


def _says_something(repair: Repair, fixed: frozenset[str], reading: Reading) -> bool:
    """Whether what a repair fixes tells of its line.

    A final tensor put right as a whole does only where the δ that it is made of was right by then, or never had a name, and so does a loss
    with the outputs; zeros put right are an array that was made and not filled.
    """
    index = _first_departure(reading, repair)
    if repair.kind in WITHOUT_LAYER:
        return reading.set_before("activation", reading.last_layer, index) is not False
    empty = not np.any(reading.settings[index].value)
    if repair.kind not in FINAL:
        return not empty
    layers = [int(name[name.index("[") + 1 : -1]) for name in fixed if name != LOSS]
    seen = [reading.set_before("delta", layer, index) for layer in layers]
    summed = any(one.quantity.kind == repair.kind and "N" in one.factor for one in reading.known[index])  # a mean that was not taken
    # In code that goes sample by sample no δ of the batch is ever set: where its sums are collected, everything could be put right.
    return True in seen or (None in seen and not empty and (summed or not reading.by_samples))


def _first_departure(reading: Reading, repair: Repair) -> int:
    """When a slot was first set to something that fits and is not what it should be."""
    for index in reading.by_slot[repair.slot]:
        kinds = {(one.quantity.kind, one.factor) for one in reading.known[index]}
        if reading.quantities.at(repair.kind, reading.settings[index].value.shape) and (repair.kind, repair.factor) not in kinds:
            return index
    return reading.by_slot[repair.slot][0]
