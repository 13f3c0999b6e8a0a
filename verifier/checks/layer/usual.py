"""A problem, its answer and its cotangents as PyTorch's operation has them: names of arrays, order of axes, sizes and options."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.checks.layer.asking import Answered
from verifier.checks.layer.examined import Examined
from verifier.checks.layer.parts import Lying, axes_of_norm, layout_of, parts_of, roles_of
from verifier.contracts.layer.drawing import LayerProblem, flattened
from verifier.contracts.layer.letters import KNOWN_AS

COMPARED = 4  # problems on which it is decided which variant a layer is
# Of the largest element: variants are conventions (a mean for a sum, another gate's place) and differ by whole shares. What is this close
# says which of them is meant, or which pass is wrong, and decides nothing.
LIKELY = 1e-5
MASKED = "dropout"
TRAINING = ("training", "train", "is_train", "train_flg", "is_training")


@dataclass(frozen=True)
class Compared:
    """One problem for PyTorch, and what was answered."""

    problem: LayerProblem
    answered: Answered
    outputs: tuple[FloatArray, ...]
    arrays: Mapping[str, Array]
    values: Mapping[str, Any]

    @property
    def claimed(self) -> Mapping[str, FloatArray]:
        """The gradients that are there."""
        return {name: gradient for name, gradient in self.answered.gradients.items() if gradient is not None}


@dataclass(frozen=True)
class Variants:
    """An operation beside a layer: how its arrays lie, None where they go in as they are; the first usual problems; what is left to choose.

    `choices`: every combination of values of what is left `open`. `settled`: whether right code has nothing else to choose.
    """

    layout: Mapping[str, Lying] | None
    compared: tuple[Compared, ...]
    open: tuple[str, ...]
    choices: tuple[Mapping[str, Any], ...]
    settled: bool


def variants_of(examined: Examined, names: Sequence[str]) -> Variants | None:
    """What PyTorch's operation may mean here; None where there is none, or the manifest's letters or values do not tell."""
    entry = examined.claims.entry
    about = None if entry is None else examined.references.about(entry.name)
    if entry is None or about is None:
        return None
    all_needs, settled, as_they_lie = about
    layout = None if as_they_lie else layout_of(examined.claims)
    plays = as_they_lie and set(roles_of(examined.claims).values()) == set(examined.claims.shapes)
    if layout is None and not plays:
        return None
    compared = tuple(compared_problems(examined, names, layout))
    needs = [need for need in all_needs if need not in entry.variants or not all(need in one.values for one in compared)]
    if not compared or any(need not in entry.variants and any(need not in one.values for one in compared) for need in needs):
        return None
    left_open = tuple(need for need in needs if any(need not in one.values for one in compared))
    choices = tuple(dict(zip(left_open, chosen, strict=True)) for chosen in product(*(entry.variants[need] for need in left_open)))
    return Variants(layout, compared, left_open, choices, settled)


def best_choice(variants: Variants, examined: Examined) -> Mapping[str, Any] | None:
    """The choice whose outputs are nearest to those that were answered; None where none is near."""
    assert examined.claims.entry is not None
    found = [(apart(examined.claims.entry.name, variants.compared, choice, examined), choice) for choice in variants.choices]
    near = [(distance, choice) for distance, choice in found if distance is not None]
    return min(near, key=lambda one: one[0])[1] if near else None


def compared_problems(
    examined: Examined, names: Sequence[str], layout: Mapping[str, Lying] | None, wanted: Collection[int] = ()
) -> Iterator[Compared]:
    """The first usual problems, or those that are wanted by index."""
    answered_ones = [one for one in examined.problems if one.index in examined.answers]
    usual = [one for one in answered_ones if not one.stress][:COMPARED]
    for problem in [one for one in answered_ones if one.index in wanted] if wanted else usual:
        answered = examined.answers[problem.index]
        values = _named(flattened(problem.values), examined)
        if layout is None:
            arrays = parts_of(problem, examined.claims)
            values["axes"] = axes_of_norm(examined.claims)
        else:
            arrays = {role: lying.in_usual_layout(problem.arrays[lying.name]) for role, lying in layout.items()}
            if examined.claims.entry is not None and examined.claims.entry.name == MASKED:
                arrays["mask"] = _mask_of(answered.outputs[names[0]], layout["x"], problem)
        yield Compared(problem, answered, tuple(answered.outputs[name] for name in names), arrays, values)


def _mask_of(output: FloatArray, lying: Lying, problem: LayerProblem) -> FloatArray:
    """What a layer that draws its mask itself let through; nothing where its output has another shape."""
    shape = problem.arrays[lying.name].shape
    passed = output != 0 if output.shape == shape else np.zeros(shape)
    return lying.in_usual_layout(passed.astype(np.float64))


def _named(values: Mapping[str, Any], examined: Examined) -> dict[str, Any]:
    """Sizes and options, under the operation's names too."""
    found = dict(values)
    if examined.claims.epsilon is not None:
        found["eps"] = examined.claims.epsilon
    for name, others in KNOWN_AS.items():
        said = next((values[other] for other in others if isinstance(values.get(other), int | float)), None)
        if said is not None:
            found.setdefault(name, said)
    for flag in TRAINING:
        if isinstance(values.get(flag), bool):
            found.setdefault("mode", "train" if values[flag] else "test")
    if "pool_height" in found:
        found.setdefault("window", found["pool_height"])
    return found


def apart(name: str, compared: Sequence[Compared], variant: Mapping[str, Any], examined: Examined) -> float | None:
    """How far the outputs are from this variant's, relative to the largest; None where they are not it."""
    worst = 0.0
    for one in compared:
        references = examined.references.outputs_of(name, one.arrays, {**variant, **one.values})
        if references is None or len(references) < len(one.outputs):
            return None
        for reference, claimed in zip(references, one.outputs, strict=False):
            orders = orders_of(reference, claimed)
            errors = [float(np.abs(claimed - turned(reference, order)).max(initial=0.0)) for order in orders]
            largest = float(np.abs(reference).max(initial=0.0)) or 1.0
            if not errors or not min(errors) <= LIKELY * largest * coarser_by(examined, one.problem):
                return None
            worst = max(worst, min(errors) / largest)
    return worst


def orders_of(reference: FloatArray, claimed: FloatArray) -> list[tuple[int, ...] | None]:
    """The orders of axes in which a reference has an output's shape; None: without its axis of one sample."""
    found: list[tuple[int, ...] | None] = [
        order for order in permutations(range(reference.ndim)) if tuple(reference.shape[axis] for axis in order) == claimed.shape
    ]
    return [None] if not found and reference.size == claimed.size and reference.shape[:1] == (1,) else found


def turned(reference: FloatArray, order: tuple[int, ...] | None, *, like: FloatArray | None = None) -> FloatArray:
    """The reference in an output's order of axes."""
    if order is None:
        return reference.reshape(reference.shape[1:] if like is None else like.shape)
    return reference.transpose(order)


def usual_cotangents(
    one: Compared, references: Sequence[FloatArray] | None, fits: Callable[[FloatArray, FloatArray], bool] = lambda claimed, right: True
) -> Iterator[list[FloatArray]]:
    """The cotangents in the order of axes of the operation's own outputs, one list for each order in which these fit.

    `fits`: whether an output is the operation's in the order that is tried; by default its shape is enough.
    """
    if references is None or len(references) < len(one.outputs) or len(one.claimed) < len(one.answered.gradients):
        return
    pairs = list(zip(references, one.outputs, strict=False))
    fitting = [[order for order in orders_of(right, claimed) if fits(claimed, turned(right, order))] for right, claimed in pairs]
    for orders in product(*fitting):
        yield [
            _untwisted(cotangent, order, reference)
            for cotangent, order, reference in zip(one.answered.cotangents.values(), orders, references, strict=False)
        ]


def roles_by_array(layout: Mapping[str, Lying] | None, examined: Examined) -> Mapping[str, str]:
    """By the manifest's name of an array, the operation's."""
    if layout is not None:
        return {lying.name: role for role, lying in layout.items()}
    return {found: role for role, found in roles_of(examined.claims).items()}


def _untwisted(cotangent: FloatArray, order: tuple[int, ...] | None, reference: FloatArray) -> FloatArray:
    return cotangent.reshape(reference.shape) if order is None else np.ascontiguousarray(cotangent.transpose(np.argsort(order)))


def as_claimed(usual: FloatArray, lying: Lying | None, claimed: FloatArray) -> FloatArray | None:
    """The operation's array as the candidate has it; None where it has another size."""
    if usual.size != claimed.size:
        return None
    return usual.reshape(claimed.shape) if lying is None else lying.as_it_lies(usual, claimed.shape)


def coarser_by(examined: Examined, problem: LayerProblem) -> float:
    """How much further off what is computed in float32 may be."""
    return 1000.0 if examined.inside_of(problem) == "float32" else 1.0
