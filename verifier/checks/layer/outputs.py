"""A layer beside PyTorch's operation: whether its outputs are those, and, where its gradients are wrong, whether they are those at least.

Right code may choose (an ε, a reduction, an order of gates): of the operation's variants one must fit on every problem that is compared.
Where none does, outputs are called wrong only if nothing was left to choose and the letters are the operation's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.checks.layer.asking import LayerAsking
from verifier.checks.layer.examined import Departure, Examined
from verifier.checks.layer.parts import Lying
from verifier.checks.layer.properties import wandering
from verifier.checks.layer.usual import (
    LIKELY,
    Compared,
    apart,
    as_claimed,
    best_choice,
    coarser_by,
    compared_problems,
    orders_of,
    roles_by_array,
    turned,
    usual_cotangents,
    variants_of,
)
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.finite_difference.noise import machine_epsilon

LEAST = 2  # of them that must depart: sizes at which a layer means something else are no mistake
# The largest ε that stands somewhere about a logarithm (1e-7 and 1e-8 are usual): how far a loss may be from one without, at each problem.
# One that stands right inside it may be larger: then the loss must be right to its last bits (EXPONENTS).
LARGEST_EPSILON = 1e-5
EXPONENTS = range(-2, -17, -1)  # of ten: an ε that is smaller changes no loss of float64
LOGARITHMS = ("cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "linear_loss", "two_layer_net")


@dataclass(frozen=True)
class Beside:
    """What was found.

    Attributes:
        outputs: "pass"; "near", where only an ε in a logarithm or the like sets them apart, and the gradients are the operation's own;
            "fail"; "skipped", where nothing says what is right.
        chosen: what right code may choose and this one chose, in words.
        backward: whether the gradients that are wrong for its outputs are those of the operation: it is the forward pass that is wrong.
        resolves: by array, the smallest relative error that would have shown beside the operation's gradient: of outputs that are near, or
            where differences decide too little.
        reduced: where the loss is near one of another reduction than its gradients: theirs, and the loss's.
    """

    outputs: str = "skipped"
    chosen: str = ""
    backward: bool = False
    resolves: Mapping[str, float] = field(default_factory=dict)
    reduced: tuple[str, str] | None = None


def beside_reference(examined: Examined, asking: LayerAsking) -> Beside:
    """Compare; where outputs are wrong their departures are added to `examined`."""
    entry, names = examined.claims.entry, asking.outputs
    known = variants_of(examined, names)
    if entry is None or known is None:
        return Beside()
    layout, compared, variants = known.layout, known.compared, known.choices
    best = best_choice(known, examined)
    if best is not None and not list(_departures(entry.name, compared, best, examined)):
        chosen = ", ".join(f"{name} = {value}" for name, value in best.items() if len(entry.variants[name]) > 2)
        undecided = any(power > DECISIVE for power in examined.resolves.values())
        decided = _decided(entry.name, compared, layout, best, examined, asking) if undecided else None
        return Beside("pass", chosen, resolves=decided or {})
    wrong = {departure.problem.index for departure in examined.departures if departure.kind == "differences"}
    if wrong and entry.name in LOGARITHMS:
        near = _but_for_an_epsilon(
            entry.name, [*compared, *compared_problems(examined, names, layout, wrong)], layout, variants, examined, asking
        )
        if near is not None:
            return near
    backward = bool(wrong) and _has_the_gradients_of_another(entry.name, compared, layout, variants, examined)
    exhaustive = known.settled and not set(known.open) & {"stride", "pad", "window"}
    own_letters = layout is not None and all(lying.joined < 0 and not lying.single for lying in layout.values())
    if backward or (exhaustive and own_letters and _says_its_letters(examined)):
        least = min((list(_departures(entry.name, compared, one, examined)) for one in variants), key=len)
        if len(least) >= LEAST or (backward and least):
            examined.departures += least
            return Beside("fail", backward=backward)
    return Beside()


def _but_for_an_epsilon(
    name: str,
    asked: Sequence[Compared],
    layout: Mapping[str, Lying] | None,
    variants: Sequence[Mapping[str, Any]],
    examined: Examined,
    asking: LayerAsking,
) -> Beside | None:
    """What holds where the loss is nearly a variant's: its gradients to the last bits, or those of the same loss reduced otherwise."""

    def own(variant: Mapping[str, Any]) -> Mapping[str, float] | None:
        return _decided(name, asked, layout, variant, examined, asking)

    # An ε that explains the loss to its last bits is said; beside one that stands elsewhere it is near all the same.
    fitted = {number: _epsilon(name, asked, variant, examined) for number, variant in enumerate(variants)}
    near = [
        (f"an ε of {fitted[number]:g} inside its logarithm" if fitted[number] else "an ε inside a logarithm", variant)
        for number, variant in enumerate(variants)
        if fitted[number] or _is_near(name, asked, variant, examined)
    ]
    for epsilon, variant in near:
        resolves = own(variant)
        if resolves is not None:
            return Beside("near", epsilon, resolves=resolves)
    for _, variant in near:
        for other in variants:
            if other != variant and {**other, "reduction": variant.get("reduction")} == variant and own(other) is not None:
                return Beside(reduced=(str(other["reduction"]), str(variant["reduction"])))
    return Beside() if near else None  # nearly right outputs are no wrong forward pass


def _is_near(name: str, asked: Sequence[Compared], variant: Mapping[str, Any], examined: Examined) -> bool:
    """Whether each loss is off by no more than an ε in its logarithm could make it, beside rounding."""
    if name not in LOGARITHMS:
        return apart(name, asked, variant, examined) is not None
    for one in asked:
        values = {**variant, **one.values}
        exact = examined.references.outputs_of(name, one.arrays, values)
        moved = examined.references.outputs_of(name, one.arrays, {**values, "inside_log": LARGEST_EPSILON})
        if exact is None or moved is None:
            return False
        tolerances = examined.references.tolerances_of(name, one.arrays, values, dtype=examined.inside_of(one.problem))
        allowed = [np.abs(there - here) + tolerance for here, there, tolerance in zip(exact, moved, tolerances, strict=True)]
        if any((judged := _judge(*each)) is None or judged[0] > 1 for each in zip(one.outputs, exact, allowed, strict=False)):
            return False
    return True


def _epsilon(name: str, asked: Sequence[Compared], variant: Mapping[str, Any], examined: Examined) -> float | None:
    """The usual ε that, inside the logarithm, makes this variant's outputs those that were answered, within rounding."""
    for exponent in EXPONENTS:
        tried = {**variant, "inside_log": 10.0**exponent}
        if apart(name, asked, tried, examined) is not None and not list(_departures(name, asked, tried, examined)):
            return float(tried["inside_log"])
    return None


def _says_its_letters(examined: Examined) -> bool:
    """Whether every letter is one of the operation's: others may mean something else."""
    entry = examined.claims.entry
    assert entry is not None
    known = " ".join((*entry.arrays.values(), *entry.sizes))
    return all(letter in known for shape in examined.claims.shapes.values() for letter in shape.names)


def _departures(name: str, compared: Sequence[Compared], variant: Mapping[str, Any], examined: Examined) -> Iterator[Departure]:
    """The problems on which outputs are beyond the tolerance."""
    for one in compared:
        values = {**variant, **one.values}
        references = examined.references.outputs_of(name, one.arrays, values)
        if references is None:
            continue
        tolerances = examined.references.tolerances_of(name, one.arrays, values, dtype=examined.inside_of(one.problem))
        for reference, tolerance, claimed in zip(references, tolerances, one.outputs, strict=False):
            judged = _judge(claimed, reference, tolerance)
            if judged is not None and judged[0] > 1:
                error, allowed, seen, right = judged[1:]
                yield Departure("forward", "", one.problem, f"are not those of {name}", "outputs", error, allowed, seen, right)
                break


def _judge(claimed: FloatArray, reference: FloatArray, tolerance: FloatArray) -> tuple[float, float, float, float, float] | None:
    """(ratio, error, tolerance, claimed, right) at the worst element, in the layout that fits best; None where none has its shape."""
    judged = []
    for order in orders_of(reference, claimed):
        right, allowed = turned(reference, order), turned(tolerance, order)
        if right.shape == claimed.shape and right.size:
            error = np.abs(claimed - right)
            ratio = np.where(error == 0, 0.0, error / np.maximum(allowed, np.finfo(np.float64).tiny))
            worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
            judged.append((float(ratio[worst]), float(error[worst]), float(allowed[worst]), float(claimed[worst]), float(right[worst])))
    return min(judged, default=None)


def _has_the_gradients_of_another(
    name: str,
    compared: Sequence[Compared],
    layout: Mapping[str, Lying] | None,
    variants: Sequence[Mapping[str, Any]],
    examined: Examined,
) -> bool:
    """Whether gradients are the operation's own and outputs are not: not where outputs are those of one variant, gradients of another."""
    own = [_has_its_gradients(name, compared, layout, variant, examined) for variant in variants]
    outputs = [variant for variant, has in zip(variants, own, strict=True) if not has]
    return any(own) and not any(_is_near(name, compared, variant, examined) for variant in outputs)


def _has_its_gradients(
    name: str, compared: Sequence[Compared], layout: Mapping[str, Lying] | None, variant: Mapping[str, Any], examined: Examined
) -> bool:
    """Whether every gradient that is claimed is the operation's own, under the same cotangents: it names a mistake, and decides nothing."""
    return all(_gradients_fit(name, one, layout, variant, examined) for one in compared)


def _gradients_fit(name: str, one: Compared, layout: Mapping[str, Lying] | None, variant: Mapping[str, Any], examined: Examined) -> bool:
    values, roles, parts = {**variant, **one.values}, roles_by_array(layout, examined), layout or {}
    for cotangents in usual_cotangents(one, examined.references.outputs_of(name, one.arrays, values)):
        found = examined.references.gradients_of(name, one.arrays, values, cotangents, [roles[array] for array in one.claimed])
        if found is None:
            continue
        alike = [as_claimed(found[roles[array]], parts.get(roles[array]), one.claimed[array]) for array in one.claimed]
        if all(
            _is_likely(right, claimed, coarser_by(examined, one.problem))
            for right, claimed in zip(alike, one.claimed.values(), strict=True)
        ):
            return True
    return False


def _decided(
    name: str,
    asked: Sequence[Compared],
    layout: Mapping[str, Lying] | None,
    variant: Mapping[str, Any],
    examined: Examined,
    asking: LayerAsking,
) -> Mapping[str, float] | None:
    """By array, the smallest error that would have shown beside the operation's gradients; None where one of these is not its own."""
    found: dict[str, float] = {}
    for one in asked:
        resolved = _within_rounding(name, one, layout, variant, examined, asking)
        if resolved is None:
            return None
        found |= {array: min(error, found.get(array, error)) for array, error in resolved.items()}
    return found


def _within_rounding(
    name: str, one: Compared, layout: Mapping[str, Lying] | None, variant: Mapping[str, Any], examined: Examined, asking: LayerAsking
) -> Mapping[str, float] | None:
    """By array, the error that would have shown, relative to the largest element; None where a gradient is not the operation's own.

    The tolerance is that of the operation's scatter, or of what the candidate's own answer shows of its rounding at this point.
    """
    values, roles, parts = {**variant, **one.values}, roles_by_array(layout, examined), layout or {}
    dtype = "float32" if one.answered.rounded else examined.inside_of(one.problem)
    for cotangents in usual_cotangents(one, examined.references.outputs_of(name, one.arrays, values)):
        asked = [roles[array] for array in one.claimed]
        found = examined.references.gradients_with_tolerances(name, one.arrays, values, cotangents, asked, dtype)
        resolved: dict[str, float] = {}
        for array, claimed in one.claimed.items() if found is not None else ():
            assert found is not None
            right, tolerance = (as_claimed(part, parts.get(roles[array]), claimed) for part in found[roles[array]])
            if right is None or tolerance is None:
                break
            if not np.all(np.abs(claimed - right) <= tolerance):
                tolerance = np.maximum(tolerance, wandering(asking, one.problem, array, claimed, machine_epsilon(dtype)))
            if not np.all(np.abs(claimed - right) <= tolerance):
                break
            resolved[array] = float(tolerance.max(initial=0.0)) / (float(np.abs(right).max(initial=0.0)) or 1.0)
        else:
            return resolved if found is not None else None
    return None


def _is_likely(right: FloatArray | None, claimed: FloatArray, coarser: float) -> bool:
    if right is None:
        return False
    largest = float(np.abs(right).max(initial=0.0)) or 1.0
    return bool(np.all(np.abs(claimed - right) <= LIKELY * largest * coarser))
