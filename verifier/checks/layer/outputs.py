"""A layer beside PyTorch's operation: whether its outputs are those, and, where its gradients are wrong, whether they are those at least.

Right code may choose (an ε, a reduction, an order of gates): of the operation's variants one must fit on every problem that is compared.
Where none does, outputs are called wrong only if nothing was left to choose and the letters are the operation's own.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.checks.layer.asking import Answered, LayerAsking
from verifier.checks.layer.examined import Departure, Examined
from verifier.checks.layer.parts import Lying, axes_of_norm, layout_of, parts_of, roles_of
from verifier.checks.layer.properties import wandering
from verifier.contracts.layer.drawing import LayerProblem, flattened
from verifier.contracts.layer.letters import KNOWN_AS
from verifier.oracles.finite_difference.noise import machine_epsilon

COMPARED = 4  # problems
LEAST = 2  # of them that must depart: sizes at which a layer means something else are no mistake
# Of the largest element: variants are conventions (a mean for a sum, another gate's place) and differ by whole shares. What is this close
# says which of them is meant, or which pass is wrong, and decides nothing.
LIKELY = 1e-5
# The largest ε that stands somewhere about a logarithm (1e-7 and 1e-8 are usual): how far a loss may be from one without, at each problem.
# One that stands right inside it may be larger: then the loss must be right to its last bits (EXPONENTS).
LARGEST_EPSILON = 1e-5
EXPONENTS = range(-2, -17, -1)  # of ten: an ε that is smaller changes no loss of float64
LOGARITHMS = ("cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "linear_loss", "two_layer_net")
MASKED = "dropout"
TRAINING = ("training", "train", "is_train", "train_flg", "is_training")


@dataclass(frozen=True)
class Beside:
    """What was found.

    Attributes:
        outputs: "pass"; "near", where only an ε in a logarithm or the like sets them apart, and the gradients are the operation's own;
            "fail"; "skipped", where nothing says what is right.
        chosen: what right code may choose and this one chose, in words.
        backward: whether the gradients that are wrong for its outputs are those of the operation: it is the forward pass that is wrong.
        resolves: of outputs that are near, by array, the smallest relative error of its gradient that would have shown.
        reduced: where the loss is near one of another reduction than its gradients: theirs, and the loss's.
    """

    outputs: str = "skipped"
    chosen: str = ""
    backward: bool = False
    resolves: Mapping[str, float] = field(default_factory=dict)
    reduced: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Compared:
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


def beside_reference(examined: Examined, asking: LayerAsking) -> Beside:
    """Compare; where outputs are wrong their departures are added to `examined`."""
    entry, names = examined.claims.entry, asking.outputs
    about = None if entry is None else examined.references.about(entry.name)
    if entry is None or about is None:
        return Beside()
    all_needs, settled, as_they_lie = about
    layout = None if as_they_lie else layout_of(examined.claims)
    plays = as_they_lie and set(roles_of(examined.claims).values()) == set(examined.claims.shapes)
    if layout is None and not plays:
        return Beside()
    compared = list(_compared(examined, names, layout))
    needs = [need for need in all_needs if need not in entry.variants or not all(need in one.values for one in compared)]
    if not compared or any(need not in entry.variants and any(need not in one.values for one in compared) for need in needs):
        return Beside()
    open_needs = [need for need in needs if any(need not in one.values for one in compared)]
    variants = [dict(zip(open_needs, chosen, strict=True)) for chosen in product(*(entry.variants[need] for need in open_needs))]
    fitting = [(apart, variant) for variant in variants if (apart := _apart(entry.name, compared, variant, examined)) is not None]
    if fitting:
        best = min(fitting, key=lambda one: one[0])[1]
        if not list(_departures(entry.name, compared, best, examined)):
            return Beside("pass", ", ".join(f"{name} = {value}" for name, value in best.items() if len(entry.variants[name]) > 2))
    wrong = {departure.problem.index for departure in examined.departures if departure.kind == "differences"}
    if wrong and entry.name in LOGARITHMS:
        near = _but_for_an_epsilon(entry.name, [*compared, *_compared(examined, names, layout, wrong)], layout, variants, examined, asking)
        if near is not None:
            return near
    backward = bool(wrong) and _has_the_gradients_of_another(entry.name, compared, layout, variants, examined)
    exhaustive = settled and not set(open_needs) & {"stride", "pad", "window"}
    own_letters = layout is not None and all(lying.joined < 0 and not lying.single for lying in layout.values())
    if backward or (exhaustive and own_letters and _says_its_letters(examined)):
        least = min((list(_departures(entry.name, compared, one, examined)) for one in variants), key=len)
        if len(least) >= LEAST or (backward and least):
            examined.departures += least
            return Beside("fail", backward=backward)
    return Beside()


def _but_for_an_epsilon(
    name: str,
    asked: Sequence[_Compared],
    layout: Mapping[str, Lying] | None,
    variants: Sequence[Mapping[str, Any]],
    examined: Examined,
    asking: LayerAsking,
) -> Beside | None:
    """What holds where the loss is nearly a variant's: its gradients to the last bits, or those of the same loss reduced otherwise."""

    def own(variant: Mapping[str, Any]) -> Mapping[str, float] | None:
        found: dict[str, float] = {}
        for one in asked:
            resolved = _within_rounding(name, one, layout, variant, examined, asking)
            if resolved is None:
                return None
            found |= {array: min(error, found.get(array, error)) for array, error in resolved.items()}
        return found

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


def _is_near(name: str, asked: Sequence[_Compared], variant: Mapping[str, Any], examined: Examined) -> bool:
    """Whether each loss is off by no more than an ε in its logarithm could make it, beside rounding."""
    if name not in LOGARITHMS:
        return _apart(name, asked, variant, examined) is not None
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


def _epsilon(name: str, asked: Sequence[_Compared], variant: Mapping[str, Any], examined: Examined) -> float | None:
    """The usual ε that, inside the logarithm, makes this variant's outputs those that were answered, within rounding."""
    for exponent in EXPONENTS:
        tried = {**variant, "inside_log": 10.0**exponent}
        if _apart(name, asked, tried, examined) is not None and not list(_departures(name, asked, tried, examined)):
            return float(tried["inside_log"])
    return None


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
            if examined.claims.entry is not None and examined.claims.entry.name == MASKED:
                arrays["mask"] = _mask_of(answered.outputs[names[0]], layout["x"], problem)
        yield _Compared(problem, answered, tuple(answered.outputs[name] for name in names), arrays, values)


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


def _apart(name: str, compared: Sequence[_Compared], variant: Mapping[str, Any], examined: Examined) -> float | None:
    """How far the outputs are from this variant's, relative to the largest; None where they are not it."""
    worst = 0.0
    for one in compared:
        references = examined.references.outputs_of(name, one.arrays, {**variant, **one.values})
        if references is None or len(references) < len(one.outputs):
            return None
        for reference, claimed in zip(references, one.outputs, strict=False):
            orders = _orders(reference, claimed)
            errors = [float(np.abs(claimed - _turned(reference, order)).max(initial=0.0)) for order in orders]
            largest = float(np.abs(reference).max(initial=0.0)) or 1.0
            if not errors or not min(errors) <= LIKELY * largest * _coarser(examined, one.problem):
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


def _departures(name: str, compared: Sequence[_Compared], variant: Mapping[str, Any], examined: Examined) -> Iterator[Departure]:
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
    return any(own) and not any(_is_near(name, compared, variant, examined) for variant in outputs)


def _has_its_gradients(
    name: str, compared: Sequence[_Compared], layout: Mapping[str, Lying] | None, variant: Mapping[str, Any], examined: Examined
) -> bool:
    """Whether every gradient that is claimed is the operation's own, under the same cotangents: it names a mistake, and decides nothing."""
    return all(_gradients_fit(name, one, layout, variant, examined) for one in compared)


def _gradients_fit(name: str, one: _Compared, layout: Mapping[str, Lying] | None, variant: Mapping[str, Any], examined: Examined) -> bool:
    values, roles, parts = {**variant, **one.values}, _roles_by_array(layout, examined), layout or {}
    for cotangents in _usual_cotangents(name, one, values, examined):
        found = examined.references.gradients_of(name, one.arrays, values, cotangents, [roles[array] for array in one.claimed])
        if found is None:
            continue
        alike = [_as_claimed(found[roles[array]], parts.get(roles[array]), one.claimed[array]) for array in one.claimed]
        if all(
            _is_likely(right, claimed, _coarser(examined, one.problem)) for right, claimed in zip(alike, one.claimed.values(), strict=True)
        ):
            return True
    return False


def _within_rounding(
    name: str, one: _Compared, layout: Mapping[str, Lying] | None, variant: Mapping[str, Any], examined: Examined, asking: LayerAsking
) -> Mapping[str, float] | None:
    """By array, the error that would have shown, relative to the largest element; None where a gradient is not the operation's own.

    The tolerance is that of the operation's scatter, or of what the candidate's own answer shows of its rounding at this point.
    """
    values, roles, parts = {**variant, **one.values}, _roles_by_array(layout, examined), layout or {}
    dtype = "float32" if one.answered.rounded else examined.inside_of(one.problem)
    for cotangents in _usual_cotangents(name, one, values, examined):
        asked = [roles[array] for array in one.claimed]
        found = examined.references.gradients_with_tolerances(name, one.arrays, values, cotangents, asked, dtype)
        resolved: dict[str, float] = {}
        for array, claimed in one.claimed.items() if found is not None else ():
            assert found is not None
            right, tolerance = (_as_claimed(part, parts.get(roles[array]), claimed) for part in found[roles[array]])
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


def _usual_cotangents(name: str, one: _Compared, values: Mapping[str, Any], examined: Examined) -> Iterator[list[FloatArray]]:
    """The cotangents in the operation's own order of axes, one list for each order in which its outputs fit."""
    references = examined.references.outputs_of(name, one.arrays, values)
    if references is None or len(references) < len(one.outputs) or len(one.claimed) < len(one.answered.gradients):
        return
    for orders in product(*(_orders(reference, claimed) for reference, claimed in zip(references, one.outputs, strict=False))):
        yield [
            _untwisted(cotangent, order, reference)
            for cotangent, order, reference in zip(one.answered.cotangents.values(), orders, references, strict=False)
        ]


def _roles_by_array(layout: Mapping[str, Lying] | None, examined: Examined) -> Mapping[str, str]:
    if layout is not None:
        return {lying.name: role for role, lying in layout.items()}
    return {found: role for role, found in roles_of(examined.claims).items()}


def _untwisted(cotangent: FloatArray, order: tuple[int, ...] | None, reference: FloatArray) -> FloatArray:
    return cotangent.reshape(reference.shape) if order is None else np.ascontiguousarray(cotangent.transpose(np.argsort(order)))


def _as_claimed(usual: FloatArray, lying: Lying | None, claimed: FloatArray) -> FloatArray | None:
    """The operation's array as the candidate has it; None where it has another size."""
    if usual.size != claimed.size:
        return None
    return usual.reshape(claimed.shape) if lying is None else lying.as_it_lies(usual, claimed.shape)


def _is_likely(right: FloatArray | None, claimed: FloatArray, coarser: float) -> bool:
    if right is None:
        return False
    largest = float(np.abs(right).max(initial=0.0)) or 1.0
    return bool(np.all(np.abs(claimed - right) <= LIKELY * largest * coarser))


def _coarser(examined: Examined, problem: LayerProblem) -> float:
    return 1000.0 if examined.inside_of(problem) == "float32" else 1.0
