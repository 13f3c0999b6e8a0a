"""The failing problems that a diagnosis looks at, each with every derivative of every output."""

from collections.abc import Mapping, Sequence

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.examination import Unanswered
from verifier.checks.layer.asking import ONE_SIGN, Answered, LayerAsking, answer_patiently
from verifier.checks.layer.examined import Examined
from verifier.checks.layer.jacobians import LARGER, LARGEST, elements, jacobians
from verifier.checks.layer.parts import axes_of_norm, layout_of, parts_of, roles_of
from verifier.checks.layer.raised import Raised
from verifier.contracts.layer.drawing import LayerProblem, flattened
from verifier.diagnosis.layer.case import Case

CASES = 5  # problems whose derivatives are worked out one by one
FEW = 2  # of larger ones
SMALL = 1e-2  # the largest number of an array that says less than ordinary ones
WINDOWED = ("conv2d", "max_pool2d")
SCALED = (2.0, -1.0)  # times the cotangent: what is claimed then


def cases_of(examined: Examined, asking: LayerAsking) -> list[Case]:
    """The smallest failing problems, with all their derivatives."""
    names = tuple(name for name in next(iter(examined.answers.values())).gradients)
    failing = {departure.problem.index: departure.problem for departure in examined.departures if departure.kind == "differences"}
    possible = sorted((one for one in failing.values() if one.stress not in ONE_SIGN), key=lambda one: elements(one, names))
    possible = [one for one in possible if not _is_small(one, names)] or possible
    usable = [problem for problem in possible if elements(problem, names) <= LARGEST]
    usable = usable or [problem for problem in possible[:FEW] if elements(problem, names) <= LARGER]
    if not usable:  # of many or large arrays, those alone whose gradient is wrong
        names = tuple(name for name in names if any(name == departure.tensor for departure in examined.departures))
        usable = [problem for problem in sorted(possible, key=lambda one: elements(one, names))[:FEW] if elements(problem, names) <= LARGER]
    found = []
    for problem in _unlike(sorted(usable, key=lambda one: -_variety(one))):
        try:
            found.append(case_of(problem, names, asking, examined))
        except (Raised, Unanswered):
            continue
    return found


def _unlike(problems: Sequence[LayerProblem]) -> list[LayerProblem]:
    """The first, then each time the one with most sizes and options that none before it has: a factor 1/N is a number where N is one."""
    left, chosen = list(problems), list[LayerProblem]()
    while left and len(chosen) < CASES:
        seen = {item for problem in chosen for item in _hashable(problem)}
        best = max(left, key=lambda one: len(_hashable(one) - seen))
        left.remove(best)
        chosen.append(best)
    return chosen


def _hashable(problem: LayerProblem) -> set[tuple[str, str]]:
    return {(name, str(value)) for name, value in problem.values.items()}


def _is_small(problem: LayerProblem, names: tuple[str, ...]) -> bool:
    """Whether an array's numbers are so small that differences leave few digits of its derivatives."""
    return any(0 < float(np.abs(problem.arrays[name]).max(initial=0.0)) < SMALL for name in names)


def _variety(problem: LayerProblem) -> int:
    """How many sizes of a problem differ from one another and from 1: the more, the fewer relations hold by accident."""
    sizes = [size for name, size in problem.values.items() if name in problem.sizes]
    return len(set(sizes)) - sizes.count(1)


def case_of(problem: LayerProblem, names: tuple[str, ...], asking: LayerAsking, examined: Examined) -> Case:
    """One problem with the candidate's gradients and, element by element, the slopes of its own forward pass."""
    claims, inside = examined.claims, examined.inside_of(problem)
    found = jacobians(asking, problem, names, inside)
    answered = answer_patiently(asking, problem)
    claimed = _of_their_shape(problem, answered)
    factors = SCALED if claims.ties.cotangents else ()
    scaled = {factor: _of_their_shape(problem, answer_patiently(asking, problem, factor=factor)) for factor in factors}
    output = asking.outputs[0]
    lying = (layout_of(claims) or {}) if claims.operation in WINDOWED else {}
    return Case(
        values=flattened(problem.values),
        arrays={name: array for name, array in problem.arrays.items() if array.dtype.kind == "f"},
        claimed=claimed,
        jacobians=found,
        cotangent=np.concatenate([answered.cotangents[name].ravel() for name in asking.outputs]),
        shape=answered.outputs[output].shape if len(asking.outputs) == 1 else (),
        cotangent_of=_places(asking, answered),
        shapes=tuple(answered.outputs[name].shape for name in asking.outputs),
        operation=claims.operation or "",
        parts={part: one.in_usual_layout(problem.arrays[one.name]) for part, one in lying.items()} or parts_of(problem, claims),
        lying=lying,
        part_of={name: role for role, name in roles_of(claims).items()},
        axes=axes_of_norm(claims),
        variants={} if claims.entry is None else claims.entry.variants,
        inside=inside,
        outputs=answered.outputs[output] if len(asking.outputs) == 1 else np.zeros(0),
        scaled=scaled,
        problem=problem,
        indices={name: array.astype(np.int64) for name, array in problem.arrays.items() if claims.shapes[name].kind == "int"},
        below={name: int(shape.below.value(problem.values)) for name, shape in claims.shapes.items() if shape.below is not None},
    )


def _of_their_shape(problem: LayerProblem, answered: Answered) -> Mapping[str, FloatArray]:
    """The gradients that have their array's shape."""
    there = {name: gradient for name, gradient in answered.gradients.items() if gradient is not None}
    return {name: gradient for name, gradient in there.items() if gradient.shape == problem.arrays[name].shape}


def _places(asking: LayerAsking, answered: Answered) -> Mapping[str, slice]:
    """Where each cotangent lies among all, by the name by which backward reads it."""
    found, start = {}, 0
    for output in asking.outputs:
        end = start + answered.cotangents[output].size
        if output in asking.claims.ties.cotangents:
            found[asking.claims.ties.cotangents[output]] = slice(start, end)
        start = end
    return found
