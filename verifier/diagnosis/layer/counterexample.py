"""The smallest problem on which a layer's gradient is wrong, its gradients side by side, and one element worked by hand."""

from collections.abc import Iterator, Sequence

import numpy as np

from verifier.arrays import element_of, finite_or_none
from verifier.checks.examination import Unanswered
from verifier.checks.layer.asking import ONE_SIGN, LayerAsking
from verifier.checks.layer.examined import Departure, Examined
from verifier.checks.layer.jacobians import LARGEST, elements
from verifier.checks.layer.raised import Raised
from verifier.contracts.layer.drawing import LayerProblem, redraw
from verifier.contracts.layer.storage import Stored, to_bytes
from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.cases import case_of
from verifier.diagnosis.layer.matching import terms_of
from verifier.results.report import COUNTEREXAMPLE_FILE, Counterexample, Diagnosis, Step

SHARES_SHOWN = 6  # of a sum that is worked by hand
FLAT = 1e-3
SMALLER = (1, 2, 3)  # what a size is tried as


def smallest_example(examined: Examined, asking: LayerAsking, found: Sequence[Diagnosis]) -> tuple[Counterexample, bytes] | None:
    """Of the gradient that is named first, and what its file holds; None where no failing problem is small enough to be worked out."""
    tensor = found[0].tensor if found else ""
    wrong = [
        one for one in examined.departures if one.tensor == tensor and one.kind == "differences" and one.problem.stress not in ONE_SIGN
    ]
    names = tuple(next(iter(examined.answers.values())).gradients) if examined.answers else ()
    small = [departure for departure in wrong if elements(departure.problem, names) <= LARGEST]
    if not small:
        return None
    start = min(small, key=lambda departure: _size(departure.problem, names))
    try:
        case, problem = _shrunk(start, names, asking, examined)
    except (Raised, Unanswered):
        return None
    shown = {name: gradient for name, gradient in case.claimed.items() if name in case.right and case.wrong(name)}
    example = Counterexample(
        file=COUNTEREXAMPLE_FILE,
        problem=problem.describe(),
        check=start.check,
        arrays={name: array.tolist() for name, array in problem.arrays.items()},
        claimed={name: gradient.tolist() for name, gradient in shown.items()},
        reference={name: case.right[name].tolist() for name in shown},
        walkthrough=tuple(_worked(tensor, case, asking)),
    )
    return example, to_bytes(Stored(examined.claims.name, asking.seed, problem))


def _size(problem: LayerProblem, names: Sequence[str]) -> int:
    return sum(problem.arrays[name].size for name in names)


def _shrunk(start: Departure, names: tuple[str, ...], asking: LayerAsking, examined: Examined) -> tuple[Case, LayerProblem]:
    """One size after another as small as it still fails. Raises Raised where the failing problem itself cannot be asked again."""
    problem = start.problem
    case = case_of(problem, names, asking, examined)
    for letter in problem.sizes:
        for size in SMALLER:
            if size >= int(problem.values[letter]):
                break
            smaller = redraw(examined.claims, asking.seed, problem, {letter: size})
            tried = None if smaller is None else _wrong_at(smaller, start.tensor, names, asking, examined)
            if smaller is not None and tried is not None:
                case, problem = tried, smaller
                break
    return case, problem


def _wrong_at(problem: LayerProblem, tensor: str, names: tuple[str, ...], asking: LayerAsking, examined: Examined) -> Case | None:
    try:
        case = case_of(problem, names, asking, examined)
    except Raised:
        return None
    if tensor not in case.claimed or tensor not in case.right or not case.wrong(tensor):
        return None
    flat = float(np.abs(case.jacobians[tensor]).max(initial=0.0)) < FLAT  # batch norm of two samples: nothing to see by hand
    return case if case.shows(tensor) and not flat else None


def _worked(tensor: str, case: Case, asking: LayerAsking) -> Iterator[Step]:
    """The element that is furthest off: its formula's terms where they are known, and the chain rule's sum."""
    if tensor not in case.claimed or tensor not in case.right:
        return
    claimed, right = case.claimed[tensor], case.right[tensor]
    index = tuple(int(axis) for axis in np.unravel_index(int(np.argmax(np.abs(claimed - right))), right.shape))
    place = element_of(f"d{tensor}", index)
    terms = terms_of(tensor, case)
    for says, term in terms.items() if len(terms) > 1 else ():
        yield Step("a term of its formula", tensor, f"{place}: {says}", float(np.broadcast_to(term, right.shape)[index]))
    column = case.jacobians[tensor][:, int(np.ravel_multi_index(index, right.shape)) if index else 0]
    shares = [(abs(c * slope), f"{c:.4g}·{slope:.4g}") for c, slope in zip(case.cotangent, column, strict=True) if c * slope]
    shown = [text for _, text in sorted(shares, reverse=True)[:SHARES_SHOWN]]
    more = f" + {len(shares) - len(shown)} smaller ones" if len(shares) > len(shown) else ""
    output = asking.outputs[0] if len(asking.outputs) == 1 else "out"
    text = f"{place} = Σ d{output}·∂{output}/∂{tensor} = {' + '.join(shown) or '0'}{more}"
    yield Step("chain rule", tensor, text, float(right[index]), finite_or_none(claimed[index]), parts=True)
