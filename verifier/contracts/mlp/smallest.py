"""Small networks of plain numbers, smallest first: what can be worked by hand. The first of them that fails is the counterexample.

Numbers come from short lists by turns: 1 and ½ before anything else, never 0 in a weight, and not all alike, so that a reader sees which
number is which. Every turn begins elsewhere in the lists, so that signs and sizes change.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from verifier.contracts.mlp.claims import SOFTMAX_LOSSES, Claims
from verifier.contracts.mlp.network import Architecture, array_shapes, build_problem
from verifier.problems.program import Problem

FloatArray = NDArray[np.floating]

MOST_LAYERS, MOST_WIDTH, MOST_BATCH = 3, 3, 3
TURNS = 6
_WEIGHTS = (0.5, 1.0, -1.0, 2.0, -0.5, 1.5, -2.0)
_BIASES = (0.5, 1.0, -1.0, -0.5, 2.0)
_INPUTS = (1.0, 0.5, 2.0, -1.0, 3.0)
_TARGETS = {"real": (1.0, 0.5, 2.0, -1.0), "probability": (0.75, 0.25, 0.5), "binary": (1.0, 0.0), "one_hot": (1.0, 0.0)}
_SHARES = {2: ((0.75, 0.25), (0.25, 0.75)), 3: ((0.5, 0.25, 0.25), (0.25, 0.5, 0.25))}


def smallest_problems(claims: Claims, like: Architecture) -> Iterator[Problem]:
    """Problems of the output activation, loss and dtype of a network that failed, and of hidden activations that it has, by their size."""
    for architecture in sorted(_architectures(claims, like), key=_size):
        for turn in range(TURNS):
            arrays = {name: _numbers(name, shape, architecture, claims, turn) for name, shape in array_shapes(architecture, claims).items()}
            yield build_problem(architecture, {name: array.astype(like.dtype) for name, array in arrays.items()}, claims)


def _size(architecture: Architecture) -> tuple[int, int, int]:
    """Layers first, then units, then samples: what a person has to go through."""
    return architecture.layers, sum(architecture.widths), architecture.batch


def _architectures(claims: Claims, like: Architecture) -> Iterator[Architecture]:
    depths = [claims.layers] if claims.layers else range(1, min(MOST_LAYERS, claims.max_layers) + 1)
    hidden = sorted(set(like.activations[:-1])) or sorted(set(claims.activations))
    least = 2 if like.activations[-1] == "softmax" or like.loss in SOFTMAX_LOSSES else 1
    most = max(least, min(MOST_WIDTH, claims.max_width))
    for layers in depths:
        if layers > MOST_LAYERS:
            continue
        sizes = claims.sizes or (0,) * (layers + 1)
        for widths in product(*((size,) if size else range(1, most + 1) for size in sizes)):
            if widths[-1] < least:
                continue
            for activation in hidden if layers > 1 else hidden[:1]:
                for batch in range(1, 1 + (1 if claims.batch == "single" else min(MOST_BATCH, max(like.batch, 1)))):
                    yield Architecture(widths, (*[activation] * (layers - 1), like.activations[-1]), like.loss, batch, like.dtype)


def _numbers(name: str, shape: tuple[int, ...], architecture: Architecture, claims: Claims, turn: int) -> FloatArray:
    if name == "y":
        return _targets(shape, architecture, claims, turn)
    values = _INPUTS if name == "x" else _BIASES if name.startswith("biases") else _WEIGHTS
    begin = turn + (0 if name == "x" else int(name.partition("[")[2].rstrip("]")))
    return np.array([values[(begin + index) % len(values)] for index in range(int(np.prod(shape)))]).reshape(shape)


def _targets(shape: tuple[int, ...], architecture: Architecture, claims: Claims, turn: int) -> FloatArray:
    kind, (rows, outputs) = claims.targets_for(architecture.loss), shape
    one_of_all = architecture.loss in SOFTMAX_LOSSES
    if kind == "one_hot" or (one_of_all and (kind != "probability" or outputs not in _SHARES)):
        return np.eye(outputs)[(np.arange(rows) + turn) % outputs]
    if one_of_all:
        shares = _SHARES[outputs]
        return np.array([shares[(row + turn) % len(shares)] for row in range(rows)])
    values = _TARGETS[kind]
    return np.array([values[(turn + index) % len(values)] for index in range(rows * outputs)]).reshape(shape)
