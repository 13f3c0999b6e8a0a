"""The numbers of a random network: seeded NumPy, keyed by (seed, index), by recipe. Hypothesis draws what the network is, not these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of, array_shapes, build_problem, build_program, is_logarithmic
from verifier.problems.program import Problem

# Beyond these pre-activations right textbook code overflows or loses its digits; benchmarks/calibration measures within them.
ORDINARY_RANGE = {"float64": 30.0, "float32": 15.0}
LOGARITHMIC_RANGE = {"float64": 15.0, "float32": 8.0}


@dataclass(frozen=True)
class Recipe:
    """How the numbers of a network are drawn.

    `weights="twins"`: the last two units of each hidden layer are equal; `"large"`: those of one input are above 40, and it is small.
    `inputs="positive"`: from 0 to 1, some of them 0. `targets="binary"`: 0 and 1, whatever the loss. `samples`: of several, the last is the
    first once more, inputs and targets (`repeated`), or all are one and the same (`alike`).
    """

    weights: Literal["ordinary", "zero", "tiny", "saturating", "twins", "large", "extreme"] = "ordinary"
    inputs: Literal["ordinary", "equal", "zero", "large", "positive"] = "ordinary"
    targets: Literal["ordinary", "extreme", "binary"] = "ordinary"
    samples: Literal["different", "repeated", "alike"] = "different"


LARGE = 40.0  # above this a weight is large: published code clips there, or calls it diverged
_WEIGHT_SCALE = {"saturating": 6.0, "tiny": 2.0**-10, "extreme": 60.0}


def draw_problem(architecture: Architecture, recipe: Recipe, claims: Claims, *, seed: int, index: int, attempt: int = 0) -> Problem:
    """The problem of this architecture with the numbers of (seed, index, attempt); ordinary but for the recipe `extreme`."""
    generator = np.random.default_rng([seed, index, attempt])
    shapes = array_shapes(architecture, claims)
    arrays: dict[str, FloatArray] = {}
    for name, shape in shapes.items():
        if name == "x":
            arrays[name] = _inputs(recipe, shape, generator)
        elif name == "y":
            arrays[name] = _targets(recipe, claims.targets_for(architecture.loss), architecture, shape, generator)
        else:
            fan_in = shape[1] if len(shape) == 2 else 1
            arrays[name] = generator.standard_normal(shape) * _WEIGHT_SCALE.get(recipe.weights, 1.0) / np.sqrt(fan_in)
    if recipe.weights == "zero":
        # A whole layer of zeros, biases kept: behind it nothing learns, and nothing may break.
        arrays[f"weights[{int(generator.integers(architecture.layers))}]"] *= 0.0
    if recipe.weights == "tiny":
        # As a network begins: small weights, and biases of 0.
        arrays |= {name: np.zeros_like(array) for name, array in arrays.items() if name.startswith("biases")}
    _repeat(recipe, arrays, architecture.layers)
    arrays = {name: array.astype(architecture.dtype) for name, array in arrays.items()}
    if recipe.weights != "extreme":
        arrays = _within_range(architecture, arrays, claims)
    if recipe.weights == "large":
        _exchange_sizes(arrays, int(generator.integers(arrays["x"].shape[1])))
    return build_problem(architecture, arrays, claims)


def _repeat(recipe: Recipe, arrays: Mapping[str, FloatArray], layers: int) -> None:
    """Samples and hidden units that are equal, written into the arrays."""
    for name in ("x", "y"):
        if recipe.samples == "repeated":
            arrays[name][-1] = arrays[name][0]
        elif recipe.samples == "alike":
            arrays[name][:] = arrays[name][0]
    for layer in range(layers - 1 if recipe.weights == "twins" else 0):
        for name in (f"weights[{layer}]", f"biases[{layer}]"):
            if name in arrays:
                arrays[name][-1:] = arrays[name][-2:-1] if len(arrays[name]) > 1 else arrays[name][-1:]


def _exchange_sizes(arrays: Mapping[str, FloatArray], unit: int) -> None:
    """Makes one input smaller and its weights larger by the same power of two: every pre-activation stays the same to the last bit."""
    weights = arrays["weights[0]"][:, unit]
    largest = float(np.max(np.abs(weights)))
    if largest > 0:
        factor = 2.0 ** np.ceil(np.log2(2 * LARGE / largest))
        weights *= factor
        arrays["x"][:, unit] /= factor


def _inputs(recipe: Recipe, shape: tuple[int, ...], generator: np.random.Generator) -> FloatArray:
    inputs = generator.standard_normal(shape)
    if recipe.inputs == "equal":
        return np.repeat(inputs[:1], shape[0], axis=0)
    if recipe.inputs == "zero":
        inputs[generator.integers(shape[0])] = 0.0
    if recipe.inputs == "positive":
        inputs = np.maximum(generator.uniform(-0.25, 1.0, shape), 0.0)
    return inputs * 100.0 if recipe.inputs == "large" else inputs


def _targets(recipe: Recipe, kind: str, architecture: Architecture, shape: tuple[int, ...], generator: np.random.Generator) -> FloatArray:
    rows, outputs = shape
    one_of_all = architecture.loss in ("cross_entropy", "softmax_cross_entropy")
    extreme = recipe.targets != "ordinary"
    if kind == "real" and recipe.targets != "binary":
        return generator.standard_normal(shape) * (1000.0 if extreme else 1.0)
    if kind == "one_hot" or (one_of_all and (kind == "binary" or extreme)):
        return np.eye(outputs)[generator.integers(outputs, size=rows)]
    if kind == "binary" or extreme:
        return generator.integers(2, size=shape).astype(np.float64)
    probabilities = generator.uniform(0.05, 0.95, shape)
    return _shares(probabilities) if one_of_all else probabilities


def _shares(parts: FloatArray) -> FloatArray:
    """Each row's shares of its sum, in units of 2⁻²⁰, so that they sum to exactly 1 in either dtype.

    Rounded freely they sum to 1 + ε·√n, and p Σy - y and p - y, both right, then part by more than their rounding: by 22 times the
    scatter with 21 outputs, against 9.
    """
    shares: FloatArray = np.floor(parts / parts.sum(axis=1, keepdims=True) * 2.0**20) * 2.0**-20
    shares[np.arange(len(shares)), shares.argmax(axis=1)] += 1.0 - shares.sum(axis=1)
    return shares


def range_of(architecture: Architecture, layer: int) -> float:
    """The largest |pre-activation| of a layer in an ordinary network."""
    if layer < architecture.layers - 1 or not is_logarithmic(architecture.loss):
        return ORDINARY_RANGE[architecture.dtype]
    bound = LOGARITHMIC_RANGE[architecture.dtype]
    # The logarithms of a softmax lose their digits with the difference of two logits, which is up to twice the largest.
    of_softmax = architecture.activations[-1] == "softmax" or architecture.loss in ("cross_entropy", "softmax_cross_entropy")
    return bound / 2 if of_softmax else bound


def _within_range(architecture: Architecture, arrays: dict[str, FloatArray], claims: Claims) -> dict[str, FloatArray]:
    """Layer by layer, weights and biases made smaller where a pre-activation would be larger than ordinary."""
    program = build_program(architecture, claims)
    for layer in range(architecture.layers):
        values = textbook.forward(program, textbook.double(arrays))
        largest, bound = float(np.max(np.abs(values[f"pre_activations[{layer}]"]))), range_of(architecture, layer)
        if largest > bound:
            for name in (f"weights[{layer}]", f"biases[{layer}]"):
                if name in arrays:
                    arrays[name] = (arrays[name] * (0.97 * bound / largest)).astype(architecture.dtype)
    return arrays


def is_ordinary(problem: Problem, stages: Mapping[str, FloatArray]) -> bool:
    """Whether every pre-activation lies within the ordinary range."""
    architecture = architecture_of(problem)
    return all(
        bool(np.all(np.abs(stages[f"pre_activations[{layer}]"]) <= range_of(architecture, layer))) for layer in range(architecture.layers)
    )
