"""The right quantities of a network, by kind and layer, in every layout that code may keep them in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.variation import unfused
from verifier.problems.operations import OPERATIONS, exact
from verifier.problems.program import Problem

Shape = tuple[int, ...]

FORWARD = ("pre-activation", "activation")
BACKWARD = ("activation-gradient", "delta", "weight-gradient", "bias-gradient")
FINAL = {"weight-gradient": "weights", "bias-gradient": "biases", "stepped-weights": "weights", "stepped-biases": "biases"}
SYMBOLS: Mapping[str, str] = {
    "pre-activation": "z",
    "activation": "a",
    "slope": "σ'(z)",
    "activation-gradient": "∂L/∂a",
    "delta": "δ",
    "weight-gradient": "∂L/∂W",
    "bias-gradient": "∂L/∂b",
    "weights": "W",
    "loss": "L",
    "penalty": "penalty",
    "stepped-weights": "W - η ∂L/∂W",
    "stepped-biases": "b - η ∂L/∂b",
}
WITHOUT_LAYER = frozenset({"loss", "penalty"})


@dataclass(frozen=True)
class Quantity:
    """One right value: its kind, its layer (0 where it has none), and the array in one layout."""

    kind: str
    layer: int
    array: FloatArray


@dataclass(frozen=True)
class Quantities:
    """The right quantities of one network, by kind and the shape that code has them in, those of one shape in the order of a run.

    `factors`: what right code may carry along and put right later, by name; "" is 1.
    """

    by_shape: Mapping[str, Mapping[Shape, tuple[Quantity, ...]]]
    factors: Mapping[str, float]

    def at(self, kind: str, shape: Shape) -> tuple[Quantity, ...]:
        """The quantities of this kind that fit a shape."""
        return self.by_shape[kind].get(shape, ())

    def factors_of(self, kind: str) -> Mapping[str, float]:
        """The factors that a quantity of this kind may carry, by name: only those of the backward pass are scaled."""
        return self.factors if kind in BACKWARD else {"": 1.0}


def quantities_of(problem: Problem, claims: Claims, rate: float | None) -> Quantities:
    """Everything that the equations say about a network. `rate`: of the step, where steps are asked for."""
    swept = textbook.sweep(unfused(problem.program), textbook.double(problem.arrays))
    found = [*_of_layers(problem, swept, rate)]
    found += [Quantity(kind, 0, np.asarray(swept.values[kind])) for kind in WITHOUT_LAYER if kind in swept.values]
    by_shape: dict[str, dict[Shape, tuple[Quantity, ...]]] = {kind: {} for kind in SYMBOLS}
    for quantity in found:
        places = by_shape[quantity.kind]
        for shape, array in _layouts(quantity, claims):
            here = places.get(shape, ())
            one = Quantity(quantity.kind, quantity.layer, array)
            places[shape] = (one, *here) if quantity.kind in BACKWARD or quantity.kind.startswith("stepped") else (*here, one)
    return Quantities(by_shape, _factors(problem, claims, rate))


def _of_layers(problem: Problem, swept: textbook.Sweep, rate: float | None) -> Iterator[Quantity]:
    activations = architecture_of(problem).activations
    nodes = {node.output: node for node in problem.program.nodes}
    values, cotangents = swept.values, swept.cotangents
    for layer in range(len(activations)):
        z, a, weights, biases = (f"{kind}[{layer}]" for kind in ("pre_activations", "activations", "weights", "biases"))
        yield Quantity("pre-activation", layer, values[z])
        yield Quantity("activation", layer, values[a])
        if activations[layer] != "softmax":  # whose derivative is no array of one number a unit
            node = nodes[a]
            slope = OPERATIONS[node.operation].vjp((values[z],), values[a], np.ones_like(values[a]), node.attributes, exact)[0]
            if slope is not None:
                yield Quantity("slope", layer, slope)
        if a in cotangents:
            yield Quantity("activation-gradient", layer, cotangents[a])
        if z in cotangents:
            yield Quantity("delta", layer, cotangents[z])
        yield Quantity("weights", layer, values[weights])
        for name, kind in ((weights, "weight"), (biases, "bias")):
            if name in cotangents:
                yield Quantity(f"{kind}-gradient", layer, cotangents[name])
                if rate is not None:
                    stepped = "stepped-weights" if kind == "weight" else "stepped-biases"
                    yield Quantity(stepped, layer, values[name] - rate * cotangents[name])


def _layouts(quantity: Quantity, claims: Claims) -> Iterator[tuple[Shape, FloatArray]]:
    """The array by the shape of what it may stand for: as claimed, transposed; a bias as a row and a column, and for one number."""
    array = quantity.array
    if array.ndim == 1:
        for shape in ((array.size,), (array.size, 1), (1, array.size))[: 1 if array.size == 1 else 3]:
            yield shape, array.reshape(shape)
        yield (), array
    elif array.ndim == 2:
        turned = claims.weight_layout == "in_out" if "weight" in quantity.kind else claims.batch == "columns"
        ways = [np.ascontiguousarray(array.T), array] if turned else [array, np.ascontiguousarray(array.T)]
        yield from {way.shape: way for way in reversed(ways)}.items()
        if array.shape[0] == 1 and "weight" not in quantity.kind:
            yield array[0].shape, array[0]
    else:
        yield (), array


def _factors(problem: Problem, claims: Claims, rate: float | None) -> Mapping[str, float]:
    """The sign, the 2 of a square, the sizes of a mean, the rate of a step."""
    architecture = architecture_of(problem)
    parts: list[dict[str, float]] = [{"": 1.0, "-": -1.0}]
    if architecture.loss == "squared_error":
        parts.append({"": 1.0, "½ ": 0.5})
    if claims.reduction != "sum":
        parts.append({"": 1.0, "N ": float(architecture.batch)})
    if claims.reduction == "mean_all":
        parts.append({"": 1.0, "K ": float(architecture.widths[-1])})
    if rate is not None:
        parts.append({"": 1.0, "η ": rate})
    chosen = product(*(part.items() for part in parts))
    return {"".join(name for name, _ in each): float(np.prod([value for _, value in each])) for each in chosen}
