"""A gradient in the function's own type, a narrow one, beside that of the same code in float64."""

from collections.abc import Sequence

import numpy as np

from verifier.arrays import FloatArray, norm
from verifier.oracles.functions.differentiable import Arrays, Differentiable
from verifier.oracles.functions.projection import flat, scale_of
from verifier.oracles.functions.rounding import compare_by_jitter
from verifier.oracles.functions.wandering import FLOAT64_EPSILON, HIDDEN
from verifier.tolerance import Comparison

UNDERFLOW = 2.0**20  # times the smallest normal number: a factor that underflowed may have been multiplied by so much since


def beside_float64(
    function: Differentiable,
    cotangents: Sequence[FloatArray],
    outputs: tuple[Sequence[FloatArray], Sequence[FloatArray]],
    gradients: tuple[Arrays, Arrays],
) -> tuple[dict[str, Comparison], frozenset[str]]:
    """The function's own numbers against those of the same code in float64; and where they pass for their own size alone.

    A type that leaves no digits of the outputs (1 / (exp(x) - 1 - x)) owes none of their gradient. Where float64 has 0 that is still
    nothing against which numbers of any size could be held. `outputs` and `gradients` at the point: its own, and those of float64.
    """

    def ask(inputs: Arrays) -> tuple[Arrays, Arrays]:
        return function.claim(inputs, cotangents, False).gradients, function.claim(inputs, cotangents, True).gradients

    def answers(inputs: Arrays) -> tuple[FloatArray, FloatArray]:
        return flat(function.values(inputs, False)), flat(function.values(inputs, True))

    own, right = gradients
    lost = _digits_lost(flat(outputs[0]), flat(outputs[1]))
    floors = _floors(function, flat(cotangents) * flat(outputs[0]))

    def held(*sizes: Arrays) -> dict[str, Comparison]:
        allowed = {name: floors[name] + lost * max(_largest(one[name]) for one in sizes) for name in right}
        return compare_by_jitter(gradients, ask, answers, function.inputs, function.rounded, epsilon=function.epsilon, floors=allowed)

    found = held(right)
    failing = [name for name, one in found.items() if not one.within]
    if not lost or not failing:
        return found, frozenset()
    leniently = held(own, right)
    return leniently, frozenset(name for name in failing if leniently[name].within)


def _largest(array: FloatArray) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def _digits_lost(own: FloatArray, right: FloatArray) -> float:
    """How far the outputs of the function's own type are from those of float64, relative to their size."""
    size = norm(right)
    return norm(own - right) / size if size > 0 else 0.0


def _floors(function: Differentiable, projected: FloatArray) -> dict[str, float]:
    """What a gradient may be off by input: a change of the outputs by their last bit over a step of the input's size; and underflow.

    Of outputs below 1 the last bit is that of 1, see `HIDDEN`.
    """
    level = max(HIDDEN, norm(projected))
    tiny = float(np.finfo(np.float64 if function.epsilon <= FLOAT64_EPSILON else np.float32).tiny)
    return {name: function.epsilon * level / scale_of(array) + UNDERFLOW * tiny for name, array in function.inputs.items()}
