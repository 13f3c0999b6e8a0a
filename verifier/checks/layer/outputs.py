"""A layer beside PyTorch's operation: whether its outputs are those, and, where its gradients are wrong, whether they are those at least.

Right code may choose (an ε, a reduction, an order of gates): of the operation's variants one must fit on every problem that is compared.
Where none does, outputs are called wrong only if nothing was left to choose and the letters are the operation's own.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.checks.layer.asking import Answered
from verifier.checks.layer.examining import Departure, Examined
from verifier.checks.layer.parts import Lying, axes_of_norm, layout_of, parts_of, roles_of
from verifier.contracts.layer.drawing import LayerProblem, flattened

COMPARED = 4  # problems
LEAST = 2  # of them that must depart: sizes at which a layer means something else are no mistake
LIKELY = 1e-5  # of the largest output: a variant that is further off is another one; of float32 a thousand times as much
NEAR = 1e-3  # of the largest output: what an ε in a logarithm can make of a loss
EXACT = 1e-10  # of the largest element: a gradient that is the operation's own, of float32 some 10⁴ times as much
KNOWN_AS = {  # what manifests call a parameter
    "pad": ("padding", "p", "P", "pad_size"),
    "stride": ("strides", "s", "S", "step"),
    "window": ("K", "k", "f", "size", "pool_size", "kernel_size", "pool"),
    "eps": ("epsilon",),
    "reg": ("lam", "lambd", "reg_strength", "l2"),
}
LOGARITHMS = ("cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "linear_loss", "two_layer_net")
TRAINING = ("training", "train", "is_train", "train_flg", "is_training")


@dataclass(frozen=True)
class Beside:
    """What was found.

    Attributes:
        outputs: "pass"; "near", where only an ε in a logarithm or the like sets them apart, and the gradients are the operation's own;
            "fail"; "skipped", where nothing says what is right.
        chosen: what right code may choose and this one chose, in words.
        backward: whether the gradients that are wrong for its outputs are those of the operation: it is the forward pass that is wrong.
    """

    outputs: str = "skipped"
    chosen: str = ""
    backward: bool = False


@dataclass(frozen=True)
class _Compared:
    """One problem for PyTorch, and what was answered."""

    problem: LayerProblem
    answered: Answered
    outputs: tuple[FloatArray, ...]
    arrays: Mapping[str, NDArray[Any]]
    values: Mapping[str, Any]


def beside_reference(examined: Examined, names: Sequence[str]) -> Beside:
    """Compare; where outputs are wrong their departures are added to `examined`."""
    entry = examined.claims.entry
    from verifier.oracles.layer_operations.catalogue import REFERENCES  # PyTorch, for those that need it

    if entry is None or entry.name not in REFERENCES:
        return Beside()
    reference = REFERENCES[entry.name]
    layout = None if reference.as_they_lie else layout_of(examined.claims)
    if layout is None and not reference.as_they_lie:
        return Beside()
    compared = list(_compared(examined, names, layout))
    needs = [need for need in reference.needs if need not in entry.variants or not all(need in one.values for one in compared)]
    if not compared or any(need not in entry.variants and any(need not in one.values for one in compared) for need in needs):
        return Beside()
    open_needs = [need for need in needs if any(need not in one.values for one in compared)]
    variants = [dict(zip(open_needs, chosen, strict=True)) for chosen in product(*(entry.variants[need] for need in open_needs))]
    fitting = [(apart, variant) for variant in variants if (apart := _apart(entry.name, compared, variant, examined.inside)) is not None]
    if fitting:
        best = min(fitting, key=lambda one: one[0])[1]
        if not list(_departures(entry.name, compared, best, examined.inside)):
            return Beside("pass", ", ".join(f"{name} = {value}" for name, value in best.items() if len(entry.variants[name]) > 2))
    wrong = {departure.problem.index for departure in examined.departures if departure.kind == "differences"}
    if wrong and entry.name in LOGARITHMS:
        asked = [*compared, *_compared(examined, names, layout, wrong)]
        for variant in variants:
            apart = _apart(entry.name, asked, variant, examined.inside, NEAR)
            if apart is not None and all(_gradients_fit(entry.name, one, layout, variant, examined, EXACT) for one in asked):
                return Beside("near", f"{apart:.0e}")
    backward = bool(wrong) and _has_the_gradients_of_another(entry.name, compared, layout, variants, examined)
    exhaustive = reference.settled and not set(open_needs) & {"stride", "pad", "window"}
    own_letters = layout is not None and all(lying.joined < 0 and not lying.single for lying in layout.values())
    if backward or (exhaustive and own_letters and _says_its_letters(examined)):
        least = min((list(_departures(entry.name, compared, one, examined.inside)) for one in variants), key=len)
        if len(least) >= LEAST or (backward and least):
            examined.departures += least
            return Beside("fail", backward=backward)
    return Beside()


def _says_its_letters(examined: Examined) -> bool:
    """Whether every letter is one of the operation's: others may mean something else."""
    entry = examined.claims.entry
    assert entry is not None
    known = " ".join((*entry.arrays.values(), *entry.sizes))
    return all(letter in known for shape in examined.claims.shapes.values() for letter in shape.names)


def _compared(
    examined: Examined, names: Sequence[str], layout: Mapping[str, Lying] | None, wanted: Collection[int] = ()
) -> Iterator[_Compared]:
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
        yield _Compared(problem, answered, tuple(answered.outputs[name] for name in names), arrays, values)


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


def _apart(name: str, compared: Sequence[_Compared], variant: Mapping[str, Any], inside: str, likely: float = LIKELY) -> float | None:
    """How far the outputs are from this variant's, relative to the largest; None where they are not it."""
    from verifier.oracles.layer_operations.catalogue import outputs_of

    worst = 0.0
    for one in compared:
        references = outputs_of(name, one.arrays, {**variant, **one.values})
        if references is None or len(references) < len(one.outputs):
            return None
        for reference, claimed in zip(references, one.outputs, strict=False):
            orders = _orders(reference, claimed)
            errors = [float(np.abs(claimed - _turned(reference, order)).max(initial=0.0)) for order in orders]
            largest = float(np.abs(reference).max(initial=0.0)) or 1.0
            if not errors or not min(errors) <= likely * largest * (1000 if inside == "float32" else 1):
                return None
            worst = max(worst, min(errors) / largest)
    return worst


def _orders(reference: FloatArray, claimed: FloatArray) -> list[tuple[int, ...] | None]:
    """The orders of axes in which a reference has an output's shape; None: without its axis of one sample."""
    found: list[tuple[int, ...] | None] = [
        order for order in permutations(range(reference.ndim)) if tuple(reference.shape[axis] for axis in order) == claimed.shape
    ]
    return [None] if not found and reference.size == claimed.size and reference.shape[:1] == (1,) else found


def _turned(reference: FloatArray, order: tuple[int, ...] | None, *, like: FloatArray | None = None) -> FloatArray:
    if order is None:
        return reference.reshape(reference.shape[1:] if like is None else like.shape)
    return reference.transpose(order)


def _departures(name: str, compared: Sequence[_Compared], variant: Mapping[str, Any], inside: str) -> Iterator[Departure]:
    """The problems on which outputs are beyond the tolerance."""
    from verifier.oracles.layer_operations.catalogue import outputs_of, tolerances_of

    for one in compared:
        values = {**variant, **one.values}
        references = outputs_of(name, one.arrays, values)
        if references is None:
            continue
        tolerances = tolerances_of(name, one.arrays, values, dtype=inside)
        for reference, tolerance, claimed in zip(references, tolerances, one.outputs, strict=False):
            judged = _judge(claimed, reference, tolerance)
            if judged is not None and judged[0] > 1:
                error, allowed, given, right = judged[1:]
                yield Departure("forward", "", one.problem, f"are not those of {name}", "outputs", error, allowed, given, right)
                break


def _judge(claimed: FloatArray, reference: FloatArray, tolerance: FloatArray) -> tuple[float, float, float, float, float] | None:
    """(ratio, error, tolerance, claimed, right) at the worst element, in the layout that fits best; None where none has its shape."""
    judged = []
    for order in _orders(reference, claimed):
        right, allowed = _turned(reference, order), _turned(tolerance, order)
        if right.shape == claimed.shape and right.size:
            error = np.abs(claimed - right)
            ratio = np.where(error == 0, 0.0, error / np.maximum(allowed, np.finfo(np.float64).tiny))
            worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
            judged.append((float(ratio[worst]), float(error[worst]), float(allowed[worst]), float(claimed[worst]), float(right[worst])))
    return min(judged, default=None)


def _has_the_gradients_of_another(
    name: str,
    compared: Sequence[_Compared],
    layout: Mapping[str, Lying] | None,
    variants: Sequence[Mapping[str, Any]],
    examined: Examined,
) -> bool:
    """Whether gradients are the operation's own and outputs are not: not where outputs are those of one variant, gradients of another."""
    own = [_has_its_gradients(name, compared, layout, variant, examined) for variant in variants]
    outputs = [variant for variant, has in zip(variants, own, strict=True) if not has]
    return any(own) and all(_apart(name, compared, variant, examined.inside, NEAR) is None for variant in outputs)


def _has_its_gradients(
    name: str, compared: Sequence[_Compared], layout: Mapping[str, Lying] | None, variant: Mapping[str, Any], examined: Examined
) -> bool:
    """Whether every gradient that is claimed is the operation's own, under the same cotangents: it names a mistake, and decides nothing."""
    return all(_gradients_fit(name, one, layout, variant, examined) for one in compared)


def _gradients_fit(
    name: str,
    one: _Compared,
    layout: Mapping[str, Lying] | None,
    variant: Mapping[str, Any],
    examined: Examined,
    within: float = LIKELY,
) -> bool:
    from verifier.oracles.layer_operations.catalogue import gradients_of, outputs_of

    values = {**variant, **one.values}
    references = outputs_of(name, one.arrays, values)
    if references is None or len(references) < len(one.outputs) or any(one.answered.gradients[name] is None for name in _claimed(one)):
        return False
    parts = layout or {}
    roles = {lying.name: role for role, lying in parts.items()} or {found: role for role, found in roles_of(examined.claims).items()}
    asked = [roles[array] for array in _claimed(one)]
    for orders in product(*(_orders(reference, claimed) for reference, claimed in zip(references, one.outputs, strict=False))):
        cotangents = [
            _untwisted(cotangent, order, reference)
            for cotangent, order, reference in zip(one.answered.cotangents.values(), orders, references, strict=False)
        ]
        found = gradients_of(name, one.arrays, values, cotangents, asked)
        if found is None:
            continue
        fits = [_is(one, array, found[roles[array]], parts.get(roles[array]), examined.inside, within) for array in _claimed(one)]
        if all(fits):
            return True
    return False


def _claimed(one: _Compared) -> list[str]:
    return list(one.answered.gradients)


def _untwisted(cotangent: FloatArray, order: tuple[int, ...] | None, reference: FloatArray) -> FloatArray:
    return cotangent.reshape(reference.shape) if order is None else np.ascontiguousarray(cotangent.transpose(np.argsort(order)))


def _is(one: _Compared, array: str, usual: FloatArray, lying: Lying | None, inside: str, within: float) -> bool:
    claimed = one.answered.gradients[array]
    if claimed is None:
        return False
    right = usual if lying is None else lying.as_it_lies(usual, claimed.shape) if usual.size == claimed.size else usual
    if right.size != claimed.size:
        return False
    largest = float(np.abs(right).max(initial=0.0)) or 1.0
    allowed = within * largest * (1e4 if inside == "float32" else 1)
    return bool(np.all(np.abs(claimed - right.reshape(claimed.shape)) <= allowed))
