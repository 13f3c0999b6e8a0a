"""One layer before its checks: every problem is asked once, and each answer is held against differences, ties, and what needs no claim."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.layer.agreeing import Agreement
from verifier.checks.layer.asking import ONE_SIGN, Answered, LayerAsking, answer_patiently, claim_again
from verifier.checks.layer.differences import difference, shows_float32
from verifier.checks.layer.examined import Departure, Examined
from verifier.checks.layer.properties import ask_properties
from verifier.checks.layer.raised import Raised, is_called_wrongly, is_missing, is_not_written, is_old
from verifier.checks.layer.ties import Misplaced, hidden, misplaced
from verifier.contracts.layer.drawing import LayerProblem
from verifier.contracts.layer.mapped import left_out
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.layer_operations.kept import Answers

MOST_FAILURES = 12  # problems on which differences may fail before the others are not differenced any more
CONVICTED = 3  # problems on which a wrong element stands: on the others it is asked only which gradients are wrong
FORWARD = ("imports", "setup", "forward", "pass", "program")


def examine(
    asking: LayerAsking,
    problems: Sequence[LayerProblem],
    references: Answers,
    *,
    differences: int,
    seed: int,
    every_tensor: bool,
    tell: Callable[[int], None],
) -> Examined:
    """Ask every problem, and hold each answer against what needs no claim.

    Args:
        references: PyTorch's answers, for what is asked of them later.
        differences: on how many problems the forward pass is differenced at most, beside those on which PyTorch says that it need not be.
        every_tensor: whether each gradient is asked about alone, on each of these problems.
        tell: called with the number of problems done.
    """
    found = Examined(asking.claims, problems, inside=asking.claims.inside, references=references)
    for name, rows in asking.claims.zero_at.items():
        where = f"row {rows[0]}" if len(rows) == 1 else f"rows {', '.join(map(str, rows))}"
        found.note("contract", f"By the manifest the gradient of {name} is 0 in {where}, whatever the forward pass makes of it.")
    failing, agreement = 0, Agreement(asking, found)
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
        if not found.answers and asking.claims.gradients:
            answered = _without_unclaimed(asking, answered, found)
        found.answers[problem.index] = answered
        if len(found.answers) == 1 and not _begin(asking, problem, answered, found):
            return found
        before = len(found.departures)
        _look_at_form(problem, answered, found)
        if problem.stress in ONE_SIGN:
            found.tied += 1
            if every_tensor or not agreement.tells(problem, answered):
                _ask_ties(asking, problem, answered, found, seed)
        elif not every_tensor and agreement.tells(problem, answered):
            found.agreed.append(problem.index)
            found.compared.append(problem.index)
        elif found.differenced < differences and failing < MOST_FAILURES:
            _ask_differences(asking, problem, answered, found, seed, every_tensor)
        failing += len(found.departures) > before
    _ask_alone(asking, found, seed)
    ask_properties(asking, found)
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
        if (is_called_wrongly(raised) or is_old(raised)) and not found.answers:
            found.left_out.append((problem, raised))
            return None
        found.departures.append(Departure("contract", "", problem, str(raised), "raised"))
        if is_not_written(raised):
            found.not_done, found.gap = True, str(raised) if raised.unwritten else ""
        return None
    if not all(np.isfinite(output).all() for output in answered.outputs.values()):
        found.left_out.append((problem, None))
        return None
    return answered


def _gave_nothing(asking: LayerAsking, answered: Answered) -> bool:
    return bool(answered.gradients) and all(gradient is None for gradient in answered.gradients.values())


def _begin(asking: LayerAsking, problem: LayerProblem, answered: Answered, found: Examined) -> bool:
    """What the first answer shows: the type that it computes in, whether the pass repeats."""
    if found.inside_of(problem) == "float64" and shows_float32(answered, asking.outputs):
        found.inside = "float32"
        found.note("contract", 'It computes in float32, whatever goes in; differences are held to that. To declare it: inside = "float32".')
    try:
        again = answer_patiently(asking, problem, one_sign=problem.stress in ONE_SIGN)
    except Raised:
        found.unrepeatable = True
        return False
    same = all(np.array_equal(answered.outputs[name], again.outputs[name], equal_nan=True) for name in asking.outputs)
    found.unrepeatable = not same
    return same


def _without_unclaimed(asking: LayerAsking, answered: Answered, found: Examined) -> Answered:
    """The answer without what a mapping of gradients need not have; from now on nobody asks for it."""
    left = left_out(asking.claims, [name for name, gradient in answered.gradients.items() if gradient is None])
    data, found.open = (tuple(name for name, kind in left.items() if kind == one) for one in ("data", "open"))
    asking.left_out = frozenset((*data, *found.open))
    if data:
        found.unasked = f"Not judged: {', '.join('d' + name for name in data)}, which {asking.claims.gradients} does not have."
        found.note("contract", found.unasked)
    return replace(answered, gradients={name: one for name, one in answered.gradients.items() if name not in asking.left_out})


def _look_at_form(problem: LayerProblem, answered: Answered, found: Examined) -> None:
    """Whether every gradient is there, in its array's shape, and finite."""
    for name, gradient in answered.gradients.items():
        shape = problem.arrays[name].shape
        if gradient is None:
            says, kind = "is missing: None came back", "missing"
        elif gradient.shape != shape:
            empty = "is empty: it" if not gradient.size and problem.arrays[name].size else "is wrong: it"
            says, kind = f"{empty} has shape {gradient.shape}, {name} has {shape}{_unsummed(gradient.shape, shape)}", "shape"
        elif not np.isfinite(gradient).all():
            where = tuple(int(axis) for axis in np.argwhere(~np.isfinite(gradient))[0])
            says, kind = f"is not finite at {list(where)}, where the outputs are finite", "not finite"
        else:
            continue
        found.departures.append(Departure("finite-difference", name, problem, says, kind))
    for name, dtype in answered.rounded.items():
        found.note("contract", f"The gradient of {name} comes in {dtype}, which is narrower than the outputs, and is held to that.")
    for name in answered.reshaped:
        found.note("contract", f"The gradient of {name} has another shape than {name}, with the same elements.")
    for name in answered.changed_forward:
        found.note("purity", f"The forward pass writes into {name}.")
    for name in answered.changed_backward:
        found.note("purity", f"The backward pass writes into {name}.")


def _unsummed(claimed: Sequence[int], right: Sequence[int]) -> str:
    """What is left to do where a gradient has an axis for itself that its array does not have."""
    more = len(claimed) - len(right)
    if more > 0 and 0 not in claimed and tuple(claimed[more:]) == tuple(right):
        return f": sum it over the first {'axis' if more == 1 else f'{more} axes'} too"
    wide = [axis for axis, (ours, true) in enumerate(zip(claimed, right, strict=False)) if ours > true == 1]
    if (
        more == 0
        and len(wide) == 1
        and all(ours == true for axis, (ours, true) in enumerate(zip(claimed, right, strict=True)) if axis not in wide)
    ):
        return f": sum it over axis {wide[0]}"
    return ""


def _ask_differences(
    asking: LayerAsking, problem: LayerProblem, answered: Answered, found: Examined, seed: int, every_tensor: bool
) -> None:
    usable = {name: gradient for name, gradient in answered.gradients.items() if gradient is not None}
    right = {name: gradient for name, gradient in usable.items() if gradient.shape == problem.arrays[name].shape}
    if not right:
        return
    stand = sum(departure.kind == "differences" and departure.index is not None for departure in found.departures)
    try:
        _difference(asking, problem, answered, right, found, seed=seed, every_tensor=every_tensor, convicted=stand >= CONVICTED)
    except Raised as raised:
        found.note("finite-difference", f"Problem {problem.index} was not differenced: {raised}")
        return
    found.differenced += 1
    found.compared.append(problem.index)


def _ask_alone(asking: LayerAsking, found: Examined, seed: int) -> None:
    """Ask about each array that no line decided by itself, problem after problem: in float32 a line through all sees little of each."""
    for problem in [problem for problem in found.problems if problem.index in found.compared]:
        undecided = [name for name, power in found.resolves.items() if power > DECISIVE]
        if not undecided or found.departures:
            return
        try:
            answered = answer_patiently(asking, problem)
            for name in undecided:
                gradient = answered.gradients.get(name)
                if gradient is not None and gradient.any():
                    _difference(asking, problem, answered, {name: gradient}, found, seed=seed)
        except Raised:
            continue


def _difference(
    asking: LayerAsking,
    problem: LayerProblem,
    answered: Answered,
    gradients: Mapping[str, FloatArray],
    found: Examined,
    *,
    seed: int,
    every_tensor: bool = False,
    convicted: bool = False,
) -> None:
    """Difference these gradients at the problem that was asked last, and keep what that shows. Raises Raised as asking does."""
    differenced = difference(
        asking,
        problem,
        Answered(answered.outputs, answered.cotangents, gradients, rounded=answered.rounded),
        partial(claim_again, asking, problem),
        seed=seed,
        inside=found.inside_of(problem),
        every_tensor=every_tensor,
        convicted=convicted,
    )
    for name, power in differenced.resolves.items():
        found.resolves[name] = min(found.resolves.get(name, float("inf")), power)
    says, element = "is not the derivative of its own forward pass", differenced.wrong
    if element is not None:
        found.departures.append(
            Departure(
                "finite-difference",
                element.tensor,
                problem,
                says,
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
        found.departures.append(Departure("finite-difference", name, problem, says, "differences"))


def _ask_ties(asking: LayerAsking, problem: LayerProblem, answered: Answered, found: Examined, seed: int) -> None:
    entry = asking.claims.entry
    known = entry is not None and entry.kinks in ("zero", "ties")
    of_equals = entry is not None and entry.kinks == "ties"
    try:
        inside = "float32" if answered.rounded else found.inside_of(problem)
        outside = misplaced(asking, problem, answered, seed=seed, elements=known, inside=inside)
        by_array: dict[str, Misplaced] = {}
        for one in outside:
            if one.array not in by_array or (one.together, one.excess) > (by_array[one.array].together, by_array[one.array].excess):
                by_array[one.array] = one
        on_stairs = {name for name, worst in by_array.items() if hidden(asking, answered, worst)}
    except Raised:
        return
    for name, worst in by_array.items():
        if name in on_stairs:
            found.note("ties", f"Where elements are equal or zero, rounding inside makes stairs that may hide d{name}: not judged there.")
            continue
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


def _tell_why(found: Examined) -> None:
    """No problem was answered: the first reason stands for all."""
    reasons = [raised for _, raised in found.left_out if raised is not None]
    found.broken = reasons[0] if reasons else Raised("its outputs are not finite at any of the problems.", "forward")
    found.not_done = bool(reasons) and all(is_not_written(raised) for raised in reasons)
    found.gap = str(reasons[0]) if found.not_done and reasons[0].unwritten else ""
