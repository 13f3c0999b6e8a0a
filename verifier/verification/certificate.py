"""The certificate of a pass: which mistakes would have been noticed, with these claims, on the networks of this run.

A pass is worth what it could have failed on. Before one is given, mistakes are planted in the candidate's own answers and `autograd` is
asked whether it would have noticed: on twenty networks of the run, and where it does not on all the others. A mistake that leaves every
answer within its tolerance could not have been excluded: a batch of one hides a forgotten mean, layers without σ' a forgotten σ'.
Where a tensor of zeros would not be noticed on nearly every network, its gradient is undecided, and the verdict is not a pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.checks.examination import Examination, Item
from verifier.contracts.catalogue import family_of
from verifier.results.evaluation import Evaluation
from verifier.results.report import Certificate
from verifier.textbook import Applied, Back
from verifier.tolerance import compare

NETWORKS = 20
DECIDED = 0.05  # share of the networks with a tensor on which zeros for it must be noticed, else it is undecided
WITHOUT_SLOPE = ("identity", "softmax")  # σ' = 1 is right for the one; the other's derivative is no σ' element by element

Gradients = Mapping[str, FloatArray]
Plant = Callable[[Examination, Item, Evaluation], Gradients]


@dataclass(frozen=True)
class Planted:
    """A mistake, in words that complete "this pass excludes …", and the gradients of a candidate that makes it and is right otherwise.

    They are the candidate's own, the very same, where the mistake makes no difference.
    `needs`: a size that its problems have ("batch", "layers"), where the mistake makes sense only then.
    """

    words: str
    gradients: Plant
    needs: str = ""


def certify(examination: Examination) -> tuple[Certificate, list[str]]:
    """The certificate of a pass of these answers, and the roles of tensors for which zeros would hardly ever be noticed."""
    answered = examination.answered
    first = answered[:: max(1, len(answered) // NETWORKS)][:NETWORKS]
    chosen = {item.index for item in first}
    rest = [item for item in answered if item.index not in chosen]
    noticed = {
        planted.words: any(_notices(examination, item, planted.gradients) for item in (*first, *rest)) for planted in planted_in(first[0])
    }
    blind = _blind_roles(examination)
    return Certificate(
        excludes=tuple(words for words, seen in noticed.items() if seen),
        not_excluded=tuple(words for words, seen in noticed.items() if not seen),
        networks=len(answered),
        largest=_largest(answered),
    ), blind


def _largest(answered: Sequence[Item]) -> dict[str, int]:
    """The largest of each size that was asked: of what is wrong beyond it, a pass says nothing."""
    names = dict.fromkeys(name for item in answered for name in item.problem.sizes)
    return {name: max(item.problem.sizes.get(name, 0) for item in answered) for name in names}


def planted_in(item: Item) -> list[Planted]:
    """The mistakes that make sense on problems like this one."""
    return [planted for planted in PLANTED if not planted.needs or planted.needs in item.problem.sizes]


def _notices(examination: Examination, item: Item, plant: Plant) -> bool:
    """Whether `autograd` would fail the candidate on this network, had it made the mistake there."""
    own, reference = examination.evaluations[item.index], item.reference
    gradients = plant(examination, item, own)
    if gradients is own.gradients:
        return False
    compared = (
        compare(gradient, reference.gradients[name], reference.gradient_tolerance(name) + own.rounding.get(name, 0.0))
        for name, gradient in gradients.items()
    )
    return any(comparison is not None and not comparison.within for comparison in compared)


def _blind_roles(examination: Examination) -> list[str]:
    """Roles of tensors whose right gradient is zero, or below its tolerance, on nearly every network that has them."""
    met: dict[str, list[bool]] = {}
    for item in examination.answered:
        for name, right in item.reference.gradients.items():
            allowed = item.reference.gradient_tolerance(name) + examination.evaluations[item.index].rounding.get(name, 0.0)
            met.setdefault(item.problem.role_of(name), []).append(bool(np.any(np.abs(right) > allowed)))
    return sorted(role for role, shown in met.items() if sum(shown) < DECIDED * len(shown))


def _times(factor: Callable[[Item], float]) -> Plant:
    return lambda examination, item, own: {name: factor(item) * gradient for name, gradient in own.gradients.items()}


def _first_element_left_out(examination: Examination, item: Item, own: Evaluation) -> Gradients:
    found = {}
    for name, gradient in own.gradients.items():
        found[name] = gradient.copy()
        found[name].flat[0] = 0.0
    return found


def _bias_as_one_number(examination: Examination, item: Item, own: Evaluation) -> Gradients:
    roles = item.problem.roles
    if not any(roles[name].kind == "biases" and gradient.size > 1 for name, gradient in own.gradients.items()):
        return own.gradients
    return {name: np.full_like(g, g.sum()) if roles[name].kind == "biases" else g for name, g in own.gradients.items()}


def _mean_forgotten(examination: Examination, item: Item, own: Evaluation) -> Gradients:
    """As if the reduction over the batch were the other one."""
    rows = float(item.problem.sizes["batch"])
    if rows == 1:
        return own.gradients
    summed = family_of(item.problem.contract).share_of_sample(item.problem, examination.claims) == 1.0
    factor = 1.0 / rows if summed else rows
    return {name: factor * gradient for name, gradient in own.gradients.items()}


def _slope_left_out(examination: Examination, item: Item, own: Evaluation) -> Gradients:
    """σ' = 1 in every layer that has one."""
    program, roles = item.problem.program, item.problem.roles
    activations = {node.operation for node in program.nodes if node.output in roles and roles[node.output].kind == "activations"}
    sloped = activations - set(WITHOUT_SLOPE)
    if not sloped:
        return own.gradients

    def without(applied: Applied, back: Back) -> Back:
        return (applied.cotangent,) if applied.node.operation in sloped else back

    swept = textbook.sweep(program, textbook.double(item.problem.arrays), replace=without)
    return _moved(own, textbook.evaluation_of(program, swept), textbook.evaluate(item.problem))


def _one_sample_alone(examination: Examination, item: Item, own: Evaluation) -> Gradients:
    if item.problem.sizes["batch"] == 1:
        return own.gradients
    alone = textbook.evaluate(family_of(item.problem.contract).sample_of(item.problem, 0, examination.claims))
    return _moved(own, alone, textbook.evaluate(item.problem))


def _moved(own: Evaluation, wrong: Evaluation, right: Evaluation) -> Gradients:
    """The candidate's own gradients, moved by what the mistake does to the textbook's."""
    return {name: gradient + (wrong.gradients[name] - right.gradients[name]) for name, gradient in own.gradients.items()}


PLANTED: tuple[Planted, ...] = (
    Planted("gradients of zeros", _times(lambda item: 0.0)),
    Planted("twice the gradient", _times(lambda item: 2.0)),
    Planted("the opposite sign", _times(lambda item: -1.0)),
    Planted("an element of a tensor left 0", _first_element_left_out),
    Planted("the mean over the batch forgotten, or taken where a sum is claimed", _mean_forgotten, needs="batch"),
    Planted("σ' left out", _slope_left_out, needs="layers"),
    Planted("one sample's gradient for the whole batch's", _one_sample_alone, needs="batch"),
    Planted("a layer's bias gradient summed to one number", _bias_as_one_number, needs="layers"),
)
