"""One layer before its checks: every problem is asked once, and each answer is held against differences, ties, and what needs no claim."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.checks.layer.asking import Answered, LayerAsking, Raised, answer_patiently
from verifier.checks.layer.differences import Differenced, difference, shows_float32
from verifier.checks.layer.ties import Misplaced, misplaced
from verifier.contracts.layer.claims import LayerClaims
from verifier.contracts.layer.drawing import LayerProblem
from verifier.oracles.finite_difference.noise import machine_epsilon
from verifier.oracles.functions.wandering import MORE_BITS, moved_inputs
from verifier.tolerance import SAFETY

MOST_FAILURES = 12  # problems on which differences may fail before the others are not differenced any more
CONVICTED = 3  # problems on which a wrong element stands: on the others it is asked only which gradients are wrong
PROPERTIES_ON = 4  # problems on which the second call, layouts and linearity are asked
ONE_SIGN = ("ties", "zeros")
FORWARD = ("imports", "setup", "forward", "pass", "program")
LAYOUTS = ("fortran", "strided")


@dataclass(frozen=True)
class Departure:
    """One gradient that is wrong on one problem.

    Attributes:
        check: id of the check that found it.
        tensor: whose gradient.
        problem: on which.
        says: what is wrong, as a sentence without its tensor and problem.
        error, tolerance, claimed, right, index: the numbers, where there are any.
        kind: "differences", "ties", "missing", "shape", "not finite", "raised", "layout".
    """

    check: str
    tensor: str
    problem: LayerProblem
    says: str
    kind: str
    error: float | None = None
    tolerance: float | None = None
    claimed: float | None = None
    right: float | None = None
    index: tuple[int, ...] | None = None
    differenced: Differenced | None = None


@dataclass
class Examined:
    """What was found of one layer.

    Attributes:
        answers: by problem index.
        left_out: problems at which forward raised or was not finite, and what it raised; None where it was not finite.
        departures: everything that is wrong.
        resolves: by array, the smallest relative error that some problem would have shown.
        differenced: how many problems were differenced; `compared` which.
        tied: how many problems with ties or zeros were asked.
        notes: worth knowing, by check.
        broken: why nothing could be asked at all.
        not_done: whether the functions are there but not written.
        unrepeatable: whether the same pass answers otherwise.
        inside: the type that it is seen to compute in.
    """

    claims: LayerClaims
    problems: Sequence[LayerProblem] = ()
    answers: dict[int, Answered] = field(default_factory=dict)
    left_out: list[tuple[LayerProblem, Raised | None]] = field(default_factory=list)
    departures: list[Departure] = field(default_factory=list)
    resolves: dict[str, float] = field(default_factory=dict)
    differenced: int = 0
    compared: list[int] = field(default_factory=list)
    tied: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)
    broken: Raised | None = None
    not_done: bool = False
    unrepeatable: bool = False
    inside: str = "float64"

    def inside_of(self, problem: LayerProblem) -> str:
        """The type that it computes in on this problem."""
        return "float32" if problem.dtype == "float32" else self.inside

    def wrong(self, check: str) -> list[Departure]:
        """The departures that a check found."""
        return [departure for departure in self.departures if departure.check == check]

    def note(self, check: str, text: str) -> None:
        """Keep a note, once."""
        if (check, text) not in self.notes:
            self.notes.append((check, text))


def examine(
    asking: LayerAsking, problems: Sequence[LayerProblem], *, differences: int, seed: int, every_tensor: bool, tell: Callable[[int], None]
) -> Examined:
    """Ask every problem, and hold each answer against what needs no claim.

    Args:
        differences: on how many problems the forward pass is differenced.
        tell: called with the number of problems done.
    """
    found = Examined(asking.claims, problems, inside=asking.claims.inside)
    failing = 0
    for number, problem in enumerate(problems):
        tell(number)
        answered = _answered(asking, problem, found)
        if answered is None and not found.answers and found.left_out and is_missing(found.left_out[0][1]):
            break
        if answered is None:
            continue
        if _gave_nothing(asking, answered):
            found.not_done = True
            return found
        found.answers[problem.index] = answered
        if len(found.answers) == 1 and not _begin(asking, problem, answered, found):
            return found
        before = len(found.departures)
        _look_at_form(problem, answered, found)
        if problem.stress in ONE_SIGN:
            found.tied += 1
            _ask_ties(asking, problem, answered, found, seed)
        elif found.differenced < differences and failing < MOST_FAILURES:
            _ask_differences(asking, problem, answered, found, seed, every_tensor)
        failing += len(found.departures) > before
    _ask_properties(asking, found)
    if not found.answers and found.left_out:
        _tell_why(found)
    return found


def _answered(asking: LayerAsking, problem: LayerProblem, found: Examined) -> Answered | None:
    """The answer to a problem, or None where forward gives none (which is noted) or backward raises (which is wrong)."""
    try:
        with np.errstate(all="ignore"):
            answered = answer_patiently(asking, problem, one_sign=problem.stress in ONE_SIGN)
    except Raised as raised:
        if raised.phase in FORWARD or raised.phase == "contract" or is_missing(raised):
            found.left_out.append((problem, raised))
            return None
        if raised.phase in ("gradients", "backward"):
            if is_called_wrongly(raised) and not found.answers:
                found.left_out.append((problem, raised))
                return None
            found.departures.append(Departure("contract", "", problem, str(raised), "raised"))
            if is_not_written(raised):
                found.not_done = True
        return None
    if not all(np.isfinite(output).all() for output in answered.outputs.values()):
        found.left_out.append((problem, None))
        return None
    return answered


def _gave_nothing(asking: LayerAsking, answered: Answered) -> bool:
    return bool(answered.gradients) and all(gradient is None for gradient in answered.gradients.values())


def _begin(asking: LayerAsking, problem: LayerProblem, answered: Answered, found: Examined) -> bool:
    """What the first answer shows: which gradients a mapping has, the type that it computes in, whether the pass repeats."""
    if asking.claims.gradients:
        _drop_unclaimed(asking, answered)
    if found.inside_of(problem) == "float64" and shows_float32(answered, asking.outputs):
        found.inside = "float32"
        found.note("contract", 'It computes in float32, whatever goes in; differences are held to that. To declare it: inside = "float32".')
    again = answer_patiently(asking, problem, one_sign=problem.stress in ONE_SIGN)
    same = all(np.array_equal(answered.outputs[name], again.outputs[name], equal_nan=True) for name in asking.outputs)
    found.unrepeatable = not same
    return same


def _drop_unclaimed(asking: LayerAsking, answered: Answered) -> None:
    """A mapping claims the gradients that it has; those that the operation says must be there stay."""
    entry = asking.claims.entry
    needed = set() if entry is None else {name for name in entry.arrays if name not in entry.constant}
    for name in [name for name, gradient in answered.gradients.items() if gradient is None and name not in needed]:
        del answered.gradients[name]  # type: ignore[attr-defined]


def _look_at_form(problem: LayerProblem, answered: Answered, found: Examined) -> None:
    """Whether every gradient is there, in its array's shape, and finite."""
    for name, gradient in answered.gradients.items():
        shape = problem.arrays[name].shape
        if gradient is None:
            says, kind = "is missing: None came back", "missing"
        elif gradient.shape != shape:
            empty = "is empty: it" if not gradient.size and problem.arrays[name].size else "is wrong: it"
            says, kind = f"{empty} has shape {gradient.shape}, {name} has {shape}", "shape"
        elif not np.isfinite(gradient).all():
            where = tuple(int(axis) for axis in np.argwhere(~np.isfinite(gradient))[0])
            says, kind = f"is not finite at {list(where)}, where the outputs are finite", "not finite"
        else:
            continue
        found.departures.append(Departure("finite-difference", name, problem, says, kind))
    for name in answered.reshaped:
        found.note("contract", f"The gradient of {name} has another shape than {name}, with the same elements.")
    for name in answered.changed_forward:
        found.note("purity", f"The forward pass writes into {name}.")
    for name in answered.changed_backward:
        found.note("purity", f"The backward pass writes into {name}.")


def _claim_again(asking: LayerAsking, problem: LayerProblem, arrays: Mapping[str, Array]) -> Mapping[str, FloatArray]:
    try:
        answered = answer_patiently(asking, problem, arrays=arrays, one_sign=problem.stress in ONE_SIGN)
    except Raised:
        return {}
    return {name: gradient for name, gradient in answered.gradients.items() if gradient is not None}


def _ask_differences(
    asking: LayerAsking, problem: LayerProblem, answered: Answered, found: Examined, seed: int, every_tensor: bool
) -> None:
    usable = {name: gradient for name, gradient in answered.gradients.items() if gradient is not None}
    right = {name: gradient for name, gradient in usable.items() if gradient.shape == problem.arrays[name].shape}
    if not right:
        return
    given = Answered(answered.outputs, answered.cotangents, right)
    again = partial(_claim_again, asking, problem)
    stand = sum(departure.kind == "differences" and departure.index is not None for departure in found.departures)
    try:
        differenced = difference(
            asking,
            problem,
            given,
            again,
            seed=seed,
            inside=found.inside_of(problem),
            every_tensor=every_tensor,
            convicted=stand >= CONVICTED,
        )
    except Raised as raised:
        found.note("finite-difference", f"Problem {problem.index} was not differenced: {raised}")
        return
    found.differenced += 1
    found.compared.append(problem.index)
    for name, power in differenced.resolves.items():
        found.resolves[name] = min(found.resolves.get(name, float("inf")), power)
    element = differenced.wrong
    if element is not None:
        found.departures.append(
            Departure(
                "finite-difference",
                element.tensor,
                problem,
                "is not the derivative of its own forward pass",
                "differences",
                error=abs(element.estimated - element.claimed),
                tolerance=element.tolerance,
                claimed=element.claimed,
                right=element.estimated,
                index=element.index,
                differenced=differenced,
            )
        )
    for name in differenced.also_wrong:
        found.departures.append(
            Departure("finite-difference", name, problem, "is not the derivative of its own forward pass", "differences")
        )


def _ask_ties(asking: LayerAsking, problem: LayerProblem, answered: Answered, found: Examined, seed: int) -> None:
    entry = asking.claims.entry
    known = entry is not None and entry.kinks in ("zero", "ties")
    of_equals = entry is not None and entry.kinks == "ties"
    try:
        outside = misplaced(asking, problem, answered, seed=seed, elements=known, inside=found.inside_of(problem))
    except Raised:
        return
    by_array: dict[str, Misplaced] = {}
    for one in outside:
        if one.array not in by_array or (one.together, one.excess) > (by_array[one.array].together, by_array[one.array].excess):
            by_array[one.array] = one
    for name, worst in by_array.items():
        found.departures.append(
            Departure(
                "ties",
                name,
                problem,
                _of_ties(problem, worst, of_equals),
                "ties",
                error=worst.excess,
                tolerance=worst.tolerance,
                claimed=worst.claimed,
                right=worst.high if worst.claimed > worst.high else worst.low,
                index=worst.index,
            )
        )


def _of_ties(problem: LayerProblem, worst: Misplaced, of_equals: bool) -> str:
    if of_equals and worst.together and worst.claimed > worst.high > 0:
        return "is handed out more than once where elements are equal: give it to one of them, or share it"
    if worst.index is None:
        return "is wrong where elements are equal: moved together, they change the output by another amount than it says"
    where = "zero" if problem.stress == "zeros" else "equal to others"
    return f"is outside of the one-sided slopes ({worst.low:.4g} to {worst.high:.4g}) at an element that is {where}"


def _ask_properties(asking: LayerAsking, found: Examined) -> None:
    """The second backward call (a note), other layouts of the cotangent, and whether it is linear in it, on the first few problems."""
    chosen = [problem for problem in found.problems if problem.index in found.answers and problem.stress not in ONE_SIGN][:PROPERTIES_ON]
    for problem in chosen:
        if asking.claims.backward:
            _ask_second_call(asking, problem, found)
        if asking.claims.ties.cotangents and not found.departures:
            _ask_layouts(asking, problem, found)
            _ask_double(asking, problem, found)


def _ask_second_call(asking: LayerAsking, problem: LayerProblem, found: Examined) -> None:
    try:
        first = answer_patiently(asking, problem)
        second = asking.again(problem)
    except Raised as raised:
        found.note("purity", f"A second backward call after the same forward pass raises: {raised}")
        return
    for name, gradient in first.gradients.items():
        again = second.get(name)
        if gradient is None or again is None or np.array_equal(gradient, again, equal_nan=True):
            continue
        if again.shape == gradient.shape and _same(2 * gradient, again):
            found.note("purity", f"A second backward call adds to the gradient of {name}: it is then twice the first.")
        elif again.shape != gradient.shape or not _same(gradient, again):
            found.note("purity", f"A second backward call after the same forward pass answers otherwise for {name}.")


def _ask_layouts(asking: LayerAsking, problem: LayerProblem, found: Examined) -> None:
    first = found.answers[problem.index]
    for layout in LAYOUTS:
        try:
            other = answer_patiently(asking, problem, layout=layout)
        except Raised as raised:
            found.note("cotangent", f"With a cotangent that is {_LAYOUT_WORDS[layout]} in memory it raises: {raised}")
            continue
        for name, gradient in first.gradients.items():
            again = other.gradients.get(name)
            if gradient is None or again is None or again.shape != gradient.shape:
                continue
            error, allowed = _apart(gradient, again)
            if error > allowed and error > _largest_wandering(asking, problem, name, gradient, found):
                says = f"changes where the cotangent is {_LAYOUT_WORDS[layout]} in memory"
                found.departures.append(Departure("cotangent", name, problem, says, "layout", error, allowed))


def _ask_double(asking: LayerAsking, problem: LayerProblem, found: Examined) -> None:
    """Twice the cotangent must give twice the gradient, to the last bits: doubling is exact."""
    first = found.answers[problem.index]
    try:
        double = answer_patiently(asking, problem, factor=2.0)
    except Raised:
        return
    for name, gradient in first.gradients.items():
        again = double.gradients.get(name)
        if gradient is None or again is None or again.shape != gradient.shape or name in found.claims.mean:
            continue
        error, allowed = _apart(2 * gradient, again)
        if error > allowed and error > _largest_wandering(asking, problem, name, gradient, found):
            says = "is not linear in the cotangent: twice the cotangent does not give twice the gradient"
            found.departures.append(Departure("cotangent", name, problem, says, "linear", error, allowed))


_LAYOUT_WORDS = {"fortran": "column by column", "strided": "every second element of a larger array"}
SUMMED = 2.0**12  # of last bits of the largest element: another order of sums, however long here


def _apart(one: FloatArray, other: FloatArray) -> tuple[float, float]:
    """Largest difference, and what another order of the same sums can make of it: last bits of the largest element.

    Of float32: a sum in the middle may be in that, which the result does not show; memory that is read wrongly makes more of it.
    """
    if not one.size:
        return 0.0, 0.0
    largest = float(np.nanmax(np.abs(one)))
    return float(np.nanmax(np.abs(one - other))), SUMMED * float(np.finfo(np.float32).eps) * largest


def _same(one: FloatArray, other: FloatArray) -> bool:
    """Whether another order of the same sums explains the difference; no number is like what is not finite."""
    error, allowed = _apart(one, other)
    return bool(error <= allowed)


def wandering(asking: LayerAsking, problem: LayerProblem, name: str, gradient: FloatArray, amount: float) -> FloatArray:
    """What inputs that move by this share of themselves do to a claimed gradient, times the safety factor: it is known no better."""
    wandered = np.zeros(gradient.shape)
    real = [one for one, array in problem.arrays.items() if array.dtype.kind == "f"]
    for moved in moved_inputs(problem.arrays, real, amount):
        again = _claim_again(asking, problem, moved).get(name)
        if again is not None and again.shape == gradient.shape:
            wandered = np.fmax(wandered, np.abs(again - gradient))
    return SAFETY * wandered


def _largest_wandering(asking: LayerAsking, problem: LayerProblem, name: str, gradient: FloatArray, found: Examined) -> float:
    """What cancels is known no better."""
    amount = MORE_BITS * machine_epsilon(found.inside_of(problem))
    return float(wandering(asking, problem, name, gradient, amount).max(initial=0.0))


def _tell_why(found: Examined) -> None:
    """No problem was answered: the first reason stands for all."""
    reasons = [raised for _, raised in found.left_out if raised is not None]
    found.broken = reasons[0] if reasons else Raised("its outputs are not finite at any of the problems.", "forward")
    found.not_done = bool(reasons) and all(is_not_written(raised) for raised in reasons)


def is_not_written(raised: Raised) -> bool:
    """A function that is `pass`, or returns None, or says that it is not implemented."""
    return raised.kind in ("NotImplementedError", "NoOutput") or (
        raised.kind == "TypeError" and not raised.own and "NoneType" in str(raised)
    )


def is_called_wrongly(raised: Raised) -> bool:
    """Whether the manifest's call has other arguments than the candidate's function takes."""
    return raised.kind == "TypeError" and not raised.own and "argument" in str(raised)


def is_missing(raised: Raised | None) -> bool:
    """Whether a name of the manifest's statements is not defined in the candidate's file."""
    return raised is not None and raised.kind == "NameError" and not raised.own
