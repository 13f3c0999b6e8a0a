"""Is the claimed gradient of a function its own? Asked of any code, at one point, in a number of evaluations that does not grow.

Finite differences (`differencing`) judge the formula; what is computed in a narrow type is differenced in float64 where the code takes
that, and its own numbers are then held to the wandering of their rounding (`rounding`). A second call must give what the first one
implies. A reference, where there is one, is the second witness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from verifier.oracles.finite_difference.elements import WrongElement
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.functions.differencing import FLOAT32_EPSILON, FLOAT64_EPSILON, HIDDEN, Findings, contradicted, difference
from verifier.oracles.functions.differentiable import Arrays, Claim, Differentiable
from verifier.oracles.functions.projection import Projection, cotangents_for, flat, scale_of
from verifier.oracles.functions.rounding import compare_by_jitter
from verifier.results.evaluation import FloatArray
from verifier.tolerance import Comparison

SECOND_FACTOR = -64.0  # of the cotangents of the second call: a power of two, so that a linear gradient is the same to the last bit
UNDERFLOW = 2.0**20  # times the smallest normal number: a factor that underflowed may have been multiplied by so much since

NOT_FINITE = "the function is not finite at this point"
NO_FLOAT64 = "its type is too narrow to be differenced, and it takes no float64"
RANDOM = "the function answers differently when it is asked again: is there randomness?"
INFINITE_GRADIENT = "the claimed gradient is not finite"
CONTRADICTION = "its differences contradict each other: is part of it computed in a narrow type, or does it cancel?"
KEPT = "the same call gives another gradient the second time: is it accumulated, is something kept between calls, is there randomness?"
NOT_LINEAR = (
    "it is not linear in its cotangent: cotangents {0:g} times as large do not give a gradient {0:g} times as large. Is it clipped?"
)


@dataclass(frozen=True)
class Examined:
    """What was found.

    Attributes:
        claim: the gradient.
        wrong: the worst element that differences contradict, or None, in the inputs' own units; `also_wrong`: other wrong inputs.
        lifted: whether it was differenced in float64 although its own type is narrower.
        rounding: in that case its own gradient against that of float64, by input.
        against_reference, outputs_against_reference: the same against a reference, where there is one.
        second: an input whose gradient a second call contradicts, with words on how.
        undecided: inputs about which nothing could be said, and `reasons`.
        resolves: by input, the smallest error that would have been seen, relative to the largest element of its gradient.
        evaluations: of the function.
    """

    claim: Claim
    wrong: WrongElement | None = None
    also_wrong: tuple[str, ...] = ()
    lifted: bool = False
    rounding: Mapping[str, Comparison] = field(default_factory=dict)
    against_reference: Mapping[str, Comparison] = field(default_factory=dict)
    outputs_against_reference: Mapping[str, Comparison] = field(default_factory=dict)
    second: tuple[str, str] | None = None
    undecided: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    resolves: Mapping[str, float] = field(default_factory=dict)
    evaluations: int = 0


def examine(function: Differentiable, reference: Differentiable | None = None) -> Examined:
    """Hold the claimed gradient of the function against its differences, and against the reference's where there is one.

    Raises:
        UnusableGradientError: the gradient has another form than the inputs.
    """
    everything = tuple(function.inputs)
    outputs = function.values(function.inputs, False)
    if not all(np.isfinite(output).all() for output in outputs):
        return Examined(Claim({}), undecided=everything, reasons=(NOT_FINITE,))
    cotangents = cotangents_for(function, outputs)
    claim = function.claim(function.inputs, cotangents, False)
    if claim.changed:
        return Examined(claim)
    lifted = _lift(function, cotangents) if function.epsilon > FLOAT64_EPSILON else None
    if lifted is None and function.epsilon > FLOAT32_EPSILON:
        found = Examined(claim, undecided=everything, reasons=(NO_FLOAT64,))
    else:
        found = _differenced(function, cotangents, claim, lifted)
    again = function.values(function.inputs, False)
    if any(one.tobytes() != other.tobytes() for one, other in zip(outputs, again, strict=True)):
        found = replace(found, reasons=(*found.reasons, RANDOM))
    return found if reference is None else _compared(found, function, reference, cotangents)


def _lift(function: Differentiable, cotangents: Sequence[FloatArray]) -> Claim | None:
    """The claim of the same code in float64; None where it does not take float64 or does not compute in it."""
    try:
        outputs = function.values(function.inputs, True)
        if not all(output.dtype == np.float64 and np.isfinite(output).all() for output in outputs):
            return None
        return function.claim(function.inputs, cotangents, True)
    except Exception:  # whatever a foreign function does with a type that it was not made for
        return None


def _differenced(function: Differentiable, cotangents: Sequence[FloatArray], claim: Claim, lifted: Claim | None) -> Examined:
    projection = Projection(function, cotangents, lifted=lifted is not None)
    judged = (claim if lifted is None else lifted).gradients
    finite = {name: np.where(np.isfinite(gradient), gradient, 0.0) for name, gradient in judged.items()}

    def claim_again(inputs: Arrays) -> Arrays:
        return function.claim(inputs if lifted else function.rounded(inputs), cotangents, lifted is not None).gradients

    in_float64 = lifted is not None or function.epsilon <= FLOAT64_EPSILON
    findings = difference(function, projection, projection.scaled(finite), claim_again, in_float64=in_float64)
    infinite = [name for name, gradient in judged.items() if not np.isfinite(gradient).all()]
    undecided = tuple(n for n in judged if findings.resolves[n] > DECISIVE or n in findings.doubtful or n in infinite)
    reasons = ((INFINITE_GRADIENT,) if infinite else ()) + ((CONTRADICTION,) if findings.doubtful else ())
    found = Examined(
        claim,
        _unscaled(findings.wrong, projection.scales),
        findings.also_wrong,
        lifted is not None,
        undecided=undecided,
        reasons=reasons,
        resolves=findings.resolves,
        evaluations=projection.evaluations,
    )
    if found.wrong is not None:
        return found
    if lifted is not None:
        found = replace(found, rounding=_rounding(function, cotangents))
    return replace(found, second=_second_call(function, cotangents, claim, findings, projection.scales, found.rounding))


def _unscaled(element: WrongElement | None, scales: Mapping[str, float]) -> WrongElement | None:
    if element is None:
        return None
    scale = scales[element.tensor]
    return replace(element, claimed=element.claimed / scale, estimated=element.estimated / scale, tolerance=element.tolerance / scale)


def _rounding(function: Differentiable, cotangents: Sequence[FloatArray]) -> dict[str, Comparison]:
    """The function's own numbers against those of the same code in float64."""

    def ask(inputs: Arrays) -> tuple[Arrays, Arrays]:
        return function.claim(inputs, cotangents, False).gradients, function.claim(inputs, cotangents, True).gradients

    # A type that leaves no digits of the outputs (1 / (exp(x) - 1 - x)) owes none of their gradient.
    lost = _digits_lost(function)
    right = ask(function.inputs)[1]
    floors = {name: floor + lost * float(np.abs(right[name]).max(initial=0.0)) for name, floor in _floors(function, cotangents).items()}
    return compare_by_jitter(ask, function.inputs, function.rounded, epsilon=function.epsilon, floors=floors)


def _digits_lost(function: Differentiable) -> float:
    """How far the outputs of the function's own type are from those of float64, relative to their size."""
    own, right = (flat(function.values(function.inputs, lifted)) for lifted in (False, True))
    size = float(np.linalg.norm(right))
    return float(np.linalg.norm(own - right)) / size if size > 0 else 0.0


def _floors(function: Differentiable, cotangents: Sequence[FloatArray]) -> dict[str, float]:
    """What a gradient may be off by input: a change of the outputs by their last bit over a step of the input's size; and underflow.

    Of outputs below 1 the last bit is that of 1, see `HIDDEN`.
    """
    level = max(HIDDEN, float(np.linalg.norm(flat(cotangents) * flat(function.values(function.inputs, False)))))
    tiny = float(np.finfo(np.float64 if function.epsilon <= FLOAT64_EPSILON else np.float32).tiny)
    return {name: function.epsilon * level / scale_of(array) + UNDERFLOW * tiny for name, array in function.inputs.items()}


def _second_call(
    function: Differentiable,
    cotangents: Sequence[FloatArray],
    claim: Claim,
    findings: Findings,
    scales: Mapping[str, float],
    rounding: Mapping[str, Comparison],
) -> tuple[str, str] | None:
    """A gradient is linear in its cotangent and the same each time: what a second call says is held to the same lines."""
    factor = SECOND_FACTOR if function.takes_cotangent else 1.0
    judged = {name: gradient for name, gradient in claim.gradients.items() if name not in rounding or rounding[name].resolves <= DECISIVE}

    def against(times: float) -> str | None:
        second = function.claim(function.inputs, tuple(times * cotangent for cotangent in cotangents), False).gradients
        return contradicted(judged, {name: second[name] / times for name in judged}, findings.lines, scales)

    off = against(factor)
    if off is None:
        return None
    return (off, KEPT) if factor == 1.0 or against(1.0) is not None else (off, NOT_LINEAR.format(factor))


def _compared(found: Examined, function: Differentiable, reference: Differentiable, cotangents: Sequence[FloatArray]) -> Examined:
    """With the reference as the second witness: its outputs, and its gradient for the same cotangents, in float64."""
    known = [name for name in function.inputs if name in reference.inputs]

    def ask_gradients(inputs: Arrays) -> tuple[Arrays, Arrays]:
        claimed = function.claim(inputs, cotangents, False).gradients
        right = reference.claim({**reference.inputs, **{name: inputs[name] for name in known}}, cotangents, True).gradients
        return claimed, {name: right[name] for name in known}

    def ask_outputs(inputs: Arrays) -> tuple[Arrays, Arrays]:
        right = reference.values({**reference.inputs, **{name: inputs[name] for name in known}}, True)
        return _numbered(function.values(inputs, False)), _numbered(right)

    compared = partial(compare_by_jitter, inputs=function.inputs, rounded=function.rounded, epsilon=function.epsilon)
    gradients = compared(ask_gradients, floors=_floors(function, cotangents))
    outputs = compared(ask_outputs, floors={})
    undecided = tuple(name for name in found.undecided if name not in gradients or gradients[name].resolves > DECISIVE)
    resolves = {name: min(power, gradients[name].resolves) if name in gradients else power for name, power in found.resolves.items()}
    return replace(found, against_reference=gradients, outputs_against_reference=outputs, undecided=undecided, resolves=resolves)


def _numbered(outputs: Sequence[FloatArray]) -> dict[str, FloatArray]:
    return {f"output {index}": output.astype(np.float64) for index, output in enumerate(outputs)}
