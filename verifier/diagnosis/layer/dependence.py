"""What a wrong gradient makes of the cotangent: a term without it, or the wrong derivative of the activation that ends a layer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.regions import words_for

Delta = Callable[[FloatArray, FloatArray], FloatArray]
"""(output, cotangent) -> the cotangent of what the activation was given."""


def without_the_cotangent(name: str, cases: Sequence[Case]) -> str | None:
    """One term lacks the cotangent as a factor: then the claim is a number that stays, and a part that is linear."""
    parts = [_constant_part(case, name) for case in cases]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not all(part.any() for part in known):
        return None
    factor = " or ".join(cases[0].cotangent_of)
    whole = all(case.close(name, case.claimed[name], part) for case, part in zip(cases, known, strict=True))
    if whole:
        return f"is the same whatever {factor} is: that factor is missing"
    masks = [np.abs(part) > case.closeness * float(np.abs(part).max()) for case, part in zip(cases, known, strict=True)]
    region = words_for(name, cases, masks)
    return f"has a term that is the same whatever {factor} is{',' if region else ''} {region}".rstrip() + ": that factor is missing in it"


def _constant_part(case: Case, name: str) -> FloatArray | None:
    """What is left of a claim as the cotangent goes to zero, where twice and minus the cotangent agree on it; else None."""
    if not all(name in case.scaled.get(factor, {}) for factor in (2.0, -1.0)):
        return None
    claimed, double, negative = case.claimed[name], case.scaled[2.0][name], case.scaled[-1.0][name]
    part = 2 * claimed - double
    if not case.close(name, part, (claimed + negative) / 2):
        return None
    return np.zeros(part.shape) if case.close(name, part, np.zeros(part.shape)) else part


def activation_of_an_affine_layer(name: str, cases: Sequence[Case]) -> str | None:
    """The gradient is that of an affine layer whose activation, seen in its output, was given another derivative."""
    if any(case.outputs.ndim != 2 or case.outputs.shape != case.shape for case in cases):
        return None
    for right, instead in _ACTIVATIONS:
        for says, wrong in instead.items():
            if all(_is_behind(case, name, right, wrong) for case in cases):
                return says
    return None


def _is_behind(case: Case, name: str, right: Delta, wrong: Delta) -> bool:
    """Whether one product of δ with another array, or its sum, is the right gradient with the one and the claimed with the other."""
    cotangent = case.cotangent.reshape(case.shape)
    with np.errstate(all="ignore"):
        deltas = right(case.outputs, cotangent), wrong(case.outputs, cotangent)
    both = zip(*(_behind(case, name, delta) for delta in deltas), strict=True)
    return any(case.close(name, one, case.right[name]) and case.close(name, other, case.claimed[name]) for one, other in both)


def _behind(case: Case, name: str, delta: FloatArray) -> Iterator[FloatArray]:
    shape = case.claimed[name].shape
    for axis in (0, 1):
        summed = delta.sum(axis=axis)
        if summed.size == case.claimed[name].size:
            yield summed.reshape(shape)
    for array in (array for other, array in case.arrays.items() if other != name and array.ndim == 2):
        for one, two in product((array, array.T), (delta, delta.T)):
            for first, second in ((one, two), (two, one)):
                if first.shape[1] == second.shape[0] and (first.shape[0], second.shape[1]) == shape:
                    yield first @ second


def _logistic(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _logit(s: FloatArray) -> FloatArray:
    return np.asarray(np.log(s) - np.log1p(-s))


def _softmax(axis: int) -> Delta:
    return lambda p, c: p * (c - (p * c).sum(axis=axis, keepdims=True))


_PASSED: Mapping[str, Delta] = {"lacks the derivative of its activation: dout goes through as it is": lambda a, c: c}
_OF_SOFTMAX: Mapping[str, Delta] = {
    "has P(1 - P) where the whole Jacobian of the softmax belongs": lambda p, c: p * (1 - p) * c,
    "lacks the sum that the Jacobian of the softmax takes off: it has P·dout alone": lambda p, c: p * c,
    **_PASSED,
}
_ACTIVATIONS: tuple[tuple[Delta, Mapping[str, Delta]], ...] = (
    (_softmax(-1), _OF_SOFTMAX),
    (_softmax(0), _OF_SOFTMAX),
    (
        lambda s, c: s * (1 - s) * c,
        {
            "applies σ a second time in the derivative of its activation": lambda s, c: _logistic(s) * (1 - _logistic(s)) * c,
            "has σ where σ(1 - σ) belongs": lambda s, c: s * c,
            "takes z for σ(z) in the derivative of its activation: it has z(1 - z)": lambda s, c: _logit(s) * (1 - _logit(s)) * c,
            **_PASSED,
        },
    ),
    (
        lambda t, c: (1 - t * t) * c,
        {
            "applies tanh a second time in the derivative of its activation": lambda t, c: (1 - np.tanh(t) ** 2) * c,
            "has 1 - tanh where 1 - tanh² belongs": lambda t, c: (1 - t) * c,
            "takes z for tanh(z) in the derivative of its activation: it has 1 - z²": lambda t, c: (1 - np.arctanh(t) ** 2) * c,
            **_PASSED,
        },
    ),
    (
        lambda r, c: (r > 0) * c,
        {"is masked by the sign of dout, not of the activation": lambda r, c: (c > 0) * c, **_PASSED},
    ),
)


def slope_by_outputs(name: str, cases: Sequence[Case]) -> str | None:
    """What is right of a sigmoid or of tanh by their outputs, of a forward pass that gives others: it is the forward pass that is wrong."""
    if any(case.outputs.shape != case.claimed[name].shape or len(case.cotangent_of) != 1 for case in cases):
        return None
    cotangent = next(iter(cases[0].cotangent_of))
    out = cotangent.removeprefix("d") or "y"
    slopes: Mapping[str, Callable[[FloatArray], FloatArray]] = {
        f"{out}(1 - {out}), as of a sigmoid": lambda y: y * (1 - y),
        f"(1 - {out}²), as of tanh": lambda y: 1 - y * y,
    }
    for says, slope in slopes.items():
        if all(case.close(name, case.claimed[name], case.cotangent.reshape(case.shape) * slope(case.outputs)) for case in cases):
            return f"is {cotangent}·{says}: that holds of its outputs, and the forward pass gives others"
    return None
