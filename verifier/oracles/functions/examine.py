"""Is the claimed gradient of a function its own? Asked of any code, at one point, in a number of evaluations that does not grow.

Finite differences (`differencing`) judge the formula; what is computed in a narrow type is differenced in float64 where the code takes
that, and its own numbers are then held to the wandering of their rounding (`rounding`). A second call must give what the first one
implies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from verifier.arrays import FloatArray
from verifier.oracles.finite_difference.elements import WrongElement
from verifier.oracles.finite_difference.ladder import KAPPA
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.functions.differencing import (
    Asking,
    Findings,
    Kink,
    contradicted,
    difference,
)
from verifier.oracles.functions.differentiable import Arrays, Claim, Differentiable
from verifier.oracles.functions.layouts import Layout, numbers_in
from verifier.oracles.functions.own_type import beside_float64
from verifier.oracles.functions.projection import Projection, cotangents_for
from verifier.oracles.functions.relations import relation
from verifier.oracles.functions.wandering import COPIES, FLOAT32_EPSILON, FLOAT64_EPSILON, MORE_BITS, moved_inputs
from verifier.tolerance import SAFETY, Comparison

SECOND_FACTOR = -64.0  # of the cotangents of the second call: a power of two, so that a linear gradient is the same to the last bit

NOT_FINITE = "the function is not finite at this point"
NO_FLOAT64 = "its type is too narrow to be differenced, and it takes no float64"
RANDOM = "the function answers differently when it is asked again: is there randomness?"
INFINITE_GRADIENT = "the claimed gradient is not finite"
CONTRADICTION = "its differences contradict each other: is part of it computed in a narrow type, or does it cancel?"
STAIRS = (
    "along {} it goes in steps, as far as can be seen of rounding inside (of numbers that cancel, of a narrower type), which may hide the "
    "gradient: ask where they are small, or use a form that keeps the digits (expm1, log1p, 2 sin²(x/2) for 1 - cos x)"
)
ALL_ROUNDING = "in its own type its gradient is no larger than rounding, so that zeros would pass: scale the function up, or ask in float64"
LAST_BITS_VARY = "not reproducible to the bit: the same call gives another gradient the second time, no further off than rounding"
KEPT = "the same call gives another gradient the second time: is it accumulated, is something kept between calls, is there randomness?"
NOT_LINEAR = (
    "it is not linear in its cotangent: cotangents {0:g} times as large do not give a gradient {0:g} times as large. Is it clipped?"
)


LAYOUTS: tuple[Layout, ...] = ("transposed", "stepped", "sliced", "expanded", "rows")
LAYOUT_WORDS = {
    "transposed": "transposed in memory",
    "stepped": "with strides (every second number of a larger array)",
    "sliced": "as a part of a wider array (with gaps between its rows)",
    "expanded": "expanded (one number, strides of 0, as the gradient of sum() is)",
    "rows": "expanded along its first dimension (a stride of 0, as the gradient of sum(0) is)",
}
OTHER_LAYOUT = (
    "it is another one for the same cotangent {}: the strides of the cotangent are ignored. Use them, or make it contiguous first."
)
NOT_ZERO_THERE = "it is not 0 where zero_at says that it is meant to be"
NOT_ZERO = "a cotangent of zeros gives a gradient that is not zero"
MOST_RELATED = 128  # elements whose slopes are taken one by one, to say how a wrong gradient relates to the right one


@dataclass(frozen=True)
class Examined:
    """What was found.

    Attributes:
        claim: the gradient.
        wrong: the worst element that differences contradict, or None, in the inputs' own units; `also_wrong`: other wrong inputs.
        lifted: whether it was differenced in float64 although its own type is narrower.
        rounding: in that case its own gradient against that of float64, by input.
        relation: of the wrong gradient to the right one, in words; `wrong_elements`: how many of how many are wrong.
        cause: why a gradient is not finite, with the cure.
        second: an input whose gradient a second call contradicts, with words on how.
        undecided: inputs about which nothing could be said, and `reasons`.
        resolves: by input, the smallest error that would have been seen, relative to the largest element of its gradient.
        evaluations: of the function.
        notes: worth knowing, and no wrong gradient.
    """

    claim: Claim
    wrong: WrongElement | None = None
    also_wrong: tuple[str, ...] = ()
    lifted: bool = False
    rounding: Mapping[str, Comparison] = field(default_factory=dict)
    relation: str = ""
    wrong_elements: tuple[int, int] | None = None
    cause: str = ""
    second: tuple[str, str] | None = None
    undecided: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    resolves: Mapping[str, float] = field(default_factory=dict)
    evaluations: int = 0
    notes: tuple[str, ...] = ()


def examine(function: Differentiable) -> Examined:
    """Hold the claimed gradient of the function against its differences.

    Raises:
        UnusableGradientError: the gradient has another form than the inputs.
    """
    everything = tuple(function.inputs)
    with function.few_threads():
        outputs = function.values(function.inputs, False)
    if not all(np.isfinite(output).all() for output in outputs):
        return Examined(Claim({}), undecided=everything, reasons=(NOT_FINITE,))
    if function.epsilon > FLOAT64_EPSILON and function.narrow_inside:
        found = _decide(function, outputs)
        return replace(found, reasons=(*found.reasons, function.narrow_inside)) if found.undecided else found
    return _decide(function, outputs)


def _decide(function: Differentiable, outputs: Sequence[FloatArray]) -> Examined:
    cotangents = cotangents_for(function, outputs)
    # On the user's own threads: if those of the function race, it shows here, in what all later calls are held against.
    claim = function.claim(function.inputs, cotangents, False)
    if claim.changed:
        return Examined(claim)
    with function.few_threads():
        return _held(function, outputs, cotangents, claim)


def _held(function: Differentiable, outputs: Sequence[FloatArray], cotangents: Sequence[FloatArray], claim: Claim) -> Examined:
    lifted = _lift(function, cotangents) if function.epsilon > FLOAT64_EPSILON else None
    if lifted is None and function.epsilon > FLOAT32_EPSILON:
        found = Examined(claim, undecided=tuple(function.inputs), reasons=(NO_FLOAT64,))
    else:
        found = _differenced(function, cotangents, claim, outputs, lifted)
    again = function.values(function.inputs, False)
    if any(one.tobytes() != other.tobytes() for one, other in zip(outputs, again, strict=True)):
        found = replace(found, reasons=(*found.reasons, RANDOM))
    return found


def _lift(function: Differentiable, cotangents: Sequence[FloatArray]) -> tuple[Sequence[FloatArray], Claim] | None:
    """Outputs and claim of the same code in float64; None where it does not take float64 or does not compute in it."""
    try:
        outputs = function.values(function.inputs, True)
        if not all(output.dtype == np.float64 and np.isfinite(output).all() for output in outputs):
            return None
        return outputs, function.claim(function.inputs, cotangents, True)
    except Exception:  # whatever a foreign function does with a type that it was not made for
        return None


def _differenced(
    function: Differentiable,
    cotangents: Sequence[FloatArray],
    claim: Claim,
    outputs: Sequence[FloatArray],
    lifted: tuple[Sequence[FloatArray], Claim] | None,
) -> Examined:
    projection = Projection(function, cotangents, lifted=lifted is not None)
    judged = (claim if lifted is None else lifted[1]).gradients
    for name, mask in function.zero_at.items():
        if name in judged and judged[name][mask].any():
            return Examined(claim, second=(name, NOT_ZERO_THERE))
    usable = {name: np.isfinite(gradient) & np.isfinite(function.inputs[name]) for name, gradient in judged.items()}
    finite = {name: np.where(usable[name], gradient, 0.0) for name, gradient in judged.items()}

    def claim_again(inputs: Arrays) -> Arrays:
        again = function.claim(inputs if lifted else function.rounded(inputs), cotangents, lifted is not None).gradients
        return {name: np.where(usable[name], gradient, 0.0) for name, gradient in again.items()}

    in_float64 = lifted is not None or function.epsilon <= FLOAT64_EPSILON
    # Elements that are not finite are asked about one by one; with 0 in their place the others would be contradicted.
    infinite = [n for n, g in judged.items() if not (np.isfinite(g) | ~np.isfinite(function.inputs[n])).all()]
    held = {name: gradient for name, gradient in projection.scaled(finite).items() if name not in infinite}
    findings, asking = difference(function, projection, held, claim_again, in_float64=in_float64)
    findings.resolves |= dict.fromkeys(infinite, float("inf"))
    nowhere = None if findings.failed() else _not_finite(infinite, judged, function, asking)
    undecided = tuple(n for n in judged if not findings.resolves[n] <= DECISIVE or n in findings.doubtful)
    found = Examined(
        claim,
        _unscaled(nowhere or findings.wrong, projection.scales),
        findings.also_wrong,
        lifted is not None,
        undecided=undecided,
        reasons=_reasons(findings, function, projection, undecided, infinite),
        resolves=findings.resolves,
        evaluations=projection.evaluations,
    )
    if nowhere is not None:
        return replace(found, cause=function.cause(function.inputs, cotangents))
    if found.wrong is not None:
        return _related(found, function, judged[found.wrong.tensor], cotangents, asking, projection.scales)
    forgiven: frozenset[str] = frozenset()
    if lifted is not None:
        rounding, forgiven = beside_float64(function, cotangents, (outputs, lifted[0]), (claim.gradients, lifted[1].gradients))
        # What stairs hide in float64 is no truth to hold float32 against.
        found = replace(found, rounding={n: one for n, one in rounding.items() if n not in findings.on_stairs})
    second, notes = _second_call(function, cotangents, claim, findings, projection.scales, found.rounding)
    powers = {n: max(power, found.rounding[n].resolves) if n in found.rounding else power for n, power in found.resolves.items()}
    open_still = [n for n in found.rounding if n not in undecided]
    lost = tuple(n for n in open_still if n in forgiven or (found.rounding[n].zeros_pass and not asking.is_zero(n, held[n])))
    if lost:
        found = replace(found, undecided=(*undecided, *lost), reasons=(*found.reasons, ALL_ROUNDING))
    return replace(found, resolves=powers, second=second or _other_layouts(function, cotangents, claim), notes=notes)


def _not_finite(infinite: Sequence[str], judged: Arrays, function: Differentiable, asking: Asking) -> WrongElement | None:
    """A gradient that is not finite where the function has a slope: both sides agree about it."""
    for name in infinite:
        for index in np.argwhere(~np.isfinite(judged[name]) & np.isfinite(function.inputs[name]))[:COPIES].tolist():
            slopes, unit = asking.element(name, tuple(index))
            both = slopes.both
            two_sided = np.isfinite(slopes.left.bound) and np.isfinite(slopes.right.bound)
            if slopes.still > 0 and two_sided:
                return WrongElement(name, tuple(index), float(judged[name][tuple(index)]), 0.0, 0.0)
            if both is not None and two_sided and KAPPA * both.bound <= DECISIVE * max(abs(both.value), slopes.level):
                right = 0.0 if abs(both.value) <= KAPPA * both.bound else both.value / unit
                return WrongElement(name, tuple(index), float(judged[name][tuple(index)]), right, KAPPA * both.bound / unit)
    return None


def _reasons(
    findings: Findings, function: Differentiable, projection: Projection, undecided: Sequence[str], infinite: Sequence[str]
) -> tuple[str, ...]:
    reasons = [INFINITE_GRADIENT] if infinite else []
    for name in undecided:
        if name in findings.kinks:
            reasons.append(_kink_in_words(name, findings.kinks[name], function.inputs[name], projection.scales[name]))
        elif name in findings.on_stairs:
            reasons.append(STAIRS.format(name))
    if set(findings.doubtful).difference(findings.on_stairs) and not findings.kinks:
        reasons.append(CONTRADICTION)
    if undecided and projection.raised and not reasons:
        reasons.append(f"beside this point the function raises {projection.raised}")
    return tuple(reasons)


def _kink_in_words(name: str, kink: Kink, array: FloatArray, scale: float) -> str:
    place = f"{name}[{', '.join(map(str, kink.index))}]" if kink.index else name
    here = float(array[kink.index])
    return (
        f"{place} = {here:.6g} is on a kink: the slope is {kink.left / scale:.4g} to the left and {kink.right / scale:.4g} to the right; "
        f"ask beside it, as at {place} = {here + scale / 16:.4g}"
    )


def _related(
    found: Examined,
    function: Differentiable,
    claimed: FloatArray,
    cotangents: Sequence[FloatArray],
    asking: Asking,
    scales: Mapping[str, float],
) -> Examined:
    """How the wrong gradient relates to the right one, whose elements are differenced one by one where they are few."""
    assert found.wrong is not None
    name = found.wrong.tensor
    if claimed.size > MOST_RELATED:
        return found
    right, known = np.zeros(claimed.shape), np.zeros(claimed.shape)
    for index in np.ndindex(claimed.shape):
        slopes, unit = asking.element(name, index)
        both = slopes.both
        right[index] = both.value / unit / scales[name] if both is not None else np.nan
        known[index] = KAPPA * both.bound / unit / scales[name] if both is not None else np.inf
    if not np.isfinite(right).all():
        return found
    right[np.abs(right) <= known] = 0.0
    apart = np.abs(claimed - right) > known + found.wrong.tolerance + FLOAT64_EPSILON * np.abs(right)
    within = known + FLOAT64_EPSILON * np.abs(right) if claimed.size == 1 else None
    words = relation(claimed, right, _sizes(function, cotangents), cotangents=cotangents, within=within)
    distinct = float(known.max(initial=0.0)) <= DECISIVE * abs(found.wrong.claimed - found.wrong.estimated)
    return replace(found, relation=words, wrong_elements=(max(1, int(apart.sum())), claimed.size) if distinct else None)


def _sizes(function: Differentiable, cotangents: Sequence[FloatArray]) -> dict[str, int]:
    """What a factor may be: the sizes of inputs and outputs."""
    found: dict[str, int] = {}
    for name, array in function.inputs.items():
        found |= {f"the size of {name} along dimension {axis}": size for axis, size in enumerate(array.shape)}
        found[f"the number of elements of {name}"] = array.size
    for index, cotangent in enumerate(cotangents):
        found[f"the number of elements of output {index}"] = cotangent.size
    return dict(sorted(found.items(), key=lambda pair: "number" in pair[0]))


def _other_layouts(function: Differentiable, cotangents: Sequence[FloatArray], claim: Claim) -> tuple[str, str] | None:
    """The same cotangent laid out otherwise in memory gives the same gradient, and a cotangent of zeros none."""
    if not function.takes_cotangent:
        return None
    wander = _wander(function, cotangents, claim)
    for layout in LAYOUTS:
        alike = tuple(numbers_in(cotangent, layout) for cotangent in cotangents)
        if layout != "expanded" and all(cotangent.size < 2 for cotangent in cotangents):
            continue
        given = function.claim(function.inputs, alike, False, layout)
        right = claim if layout not in ("expanded", "rows") else function.claim(function.inputs, alike, False)
        off = _apart(given.gradients, right.gradients, wander)
        # Once more as it was: what differs from call to call is no matter of layout.
        if off and not _apart(function.claim(function.inputs, alike, False).gradients, right.gradients, wander):
            return off, OTHER_LAYOUT.format(LAYOUT_WORDS[layout])
        if given.changed:
            return given.changed[0], f"it is changed where the cotangent comes {LAYOUT_WORDS[layout]}. Copy before you write"
    none = function.claim(function.inputs, tuple(0 * cotangent for cotangent in cotangents), False).gradients
    for name, gradient in none.items():
        if (np.abs(gradient[np.isfinite(claim.gradients[name])]) > wander[name].max(initial=0.0)).any():
            return name, NOT_ZERO
    return None


def _wander(function: Differentiable, cotangents: Sequence[FloatArray], claim: Claim) -> dict[str, FloatArray]:
    """What rounding may do to each gradient: S times what it wanders where the last bits of the inputs change, and its own last bit."""
    found = {name: function.epsilon * np.abs(gradient) for name, gradient in claim.gradients.items()}
    for moved in moved_inputs(function.inputs, function.inputs, MORE_BITS * function.epsilon, seed=1):
        try:
            near = function.claim(function.rounded(moved), cotangents, False).gradients
        except Exception:  # a point that the code does not take says nothing
            continue
        with np.errstate(invalid="ignore"):  # an infinite slope less itself
            found = {name: np.fmax(one, np.abs(near[name] - claim.gradients[name])) for name, one in found.items()}
    return {name: np.full(one.shape, SAFETY * float(one[np.isfinite(one)].max(initial=0.0))) for name, one in found.items()}


def _apart(one: Arrays, other: Arrays, allowed: Mapping[str, FloatArray]) -> str | None:
    for name, gradient in one.items():
        if np.array_equal(gradient, other[name], equal_nan=True):
            continue
        known = np.isfinite(other[name])
        if not (np.abs(gradient[known] - other[name][known]) <= allowed[name][known]).all():
            return name
    return None


def _unscaled(element: WrongElement | None, scales: Mapping[str, float]) -> WrongElement | None:
    if element is None:
        return None
    scale = scales[element.tensor]
    return replace(element, claimed=element.claimed / scale, estimated=element.estimated / scale, tolerance=element.tolerance / scale)


def _second_call(
    function: Differentiable,
    cotangents: Sequence[FloatArray],
    claim: Claim,
    findings: Findings,
    scales: Mapping[str, float],
    rounding: Mapping[str, Comparison],
) -> tuple[tuple[str, str] | None, tuple[str, ...]]:
    """A gradient is linear in its cotangent and the same each time: what a second call says is held to the same lines; and notes.

    Sums whose order is left to a device differ in their last bits from call to call, and are right.
    """
    judged = {name: gradient for name, gradient in claim.gradients.items() if name not in rounding or rounding[name].resolves <= DECISIVE}

    def scaled_by(times: float) -> Mapping[str, FloatArray]:
        second = function.claim(function.inputs, tuple(times * cotangent for cotangent in cotangents), False).gradients
        return {name: second[name] / times for name in judged}

    factor = SECOND_FACTOR if function.takes_cotangent else 1.0
    second = scaled_by(factor)
    if any(not np.isfinite(one[np.isfinite(judged[name])]).all() for name, one in second.items()):
        factor = 1 / factor  # its type overflowed at so large a cotangent, which says nothing of the gradient
        second = scaled_by(factor)
    off = contradicted(judged, second, findings.lines, scales)
    if off is None:
        return None, ()
    again = contradicted(judged, scaled_by(1.0), findings.lines, scales)
    if again is None:
        return (off, NOT_LINEAR.format(factor)), ()
    repeated = function.claim(function.inputs, cotangents, False).gradients
    # Not what it wanders nearby: what is kept between calls wanders as far as one likes.
    last_bits = {
        n: np.full(g.shape, SAFETY * function.epsilon * float(np.abs(g[np.isfinite(g)]).max(initial=0.0)))
        for n, g in claim.gradients.items()
    }
    if _apart(repeated, claim.gradients, last_bits) is None:
        return None, (LAST_BITS_VARY,)
    return (again, KEPT), ()
