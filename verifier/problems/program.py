"""The form of a problem: named operations over named arrays, which of them to differentiate, and the scalar loss."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from verifier.arrays import FloatArray


@dataclass(frozen=True)
class Node:
    """One application of a named operation: `output` = operation(`inputs`; `attributes`)."""

    operation: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Program:
    """Nodes in an order in which they can be computed.

    Attributes:
        nodes: each reads arrays of the problem or outputs of earlier nodes.
        differentiate: names of the arrays whose gradients are asked for.
        loss: name of the scalar.
        outputs: name of the value that the network predicts, or None where there is none.
        stages: names of the values worth comparing on the way (pre-activations and activations).
    """

    nodes: tuple[Node, ...]
    differentiate: tuple[str, ...]
    loss: str
    outputs: str | None = None
    stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Role:
    """What a tensor is in its problem.

    Attributes:
        kind: what there is one of in each layer, in the plural: `weights`, `biases`, `pre_activations`, …
        layer: which of them, the first is 0.
        position: `first`, `hidden` or `output`; of a single layer `output`.
    """

    kind: str
    layer: int
    position: str

    def __str__(self) -> str:
        """`first-layer weights`."""
        return f"{self.position}-layer {self.kind}"


@dataclass(frozen=True)
class Problem:
    """One thing to differentiate.

    Attributes:
        program: what is computed.
        arrays: its arrays by name, all of `dtype`.
        dtype: `float64` or `float32`: what the candidate is given, and whose rounding it is held to.
        contract: whose builder made it.
        choices: plain data that the contract needs to call a candidate with it (widths, activations, loss, …).
        description: one line for people.
        roles: of its tensors, stages included, by name; the builder gives them.
        sizes: its sizes by name (`layers`, `batch`, …), as the builder knows them.
    """

    program: Program
    arrays: Mapping[str, FloatArray]
    dtype: str
    contract: str
    choices: Mapping[str, Any]
    description: str
    roles: Mapping[str, Role] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)

    def role_of(self, name: str) -> str:
        """A tensor's role in words; its name where the builder gives it none."""
        return str(self.roles.get(name, name))


def machine_epsilon(dtype: str) -> float:
    """Distance from 1 to the next number of `dtype`."""
    return float(np.finfo(dtype).eps)


def longest_sum(problem: Problem) -> int:
    """The longest batch or fan-in: how many terms the longest sum of a gradient has, as rounding counts them.

    Terms that differ round to either side, terms that are equal may round alike every time: m of them count like m²/16 that differ,
    which matters beyond 16 (benchmarks/long_sums.py).
    """
    longest = max((size for array in problem.arrays.values() for size in array.shape), default=1)
    if longest <= _FREE_EQUAL_TERMS:
        return longest
    return max(longest, _most_equal_terms(problem) ** 2 // _FREE_EQUAL_TERMS)


_FREE_EQUAL_TERMS = 16


def _most_equal_terms(problem: Problem) -> int:
    """How many samples are equal in everything, or how many rows or columns of one parameter; zeros add nothing and do not count."""
    parameters = [problem.arrays[name] for name in problem.program.differentiate]
    data = [array for name, array in problem.arrays.items() if name not in problem.program.differentiate and array.ndim == 2]
    matrices = [matrix for parameter in parameters if parameter.ndim == 2 for matrix in (parameter, parameter.T)]
    if data and all(len(array) == len(data[0]) for array in data):
        matrices.append(np.concatenate(data, axis=1))
    return max((_most_equal_rows(matrix) for matrix in matrices if len(matrix) > _FREE_EQUAL_TERMS), default=1)


def _most_equal_rows(matrix: FloatArray) -> int:
    """How many rows are equal and not zero, where that is more than count."""
    if matrix.shape[1] == 0:
        return 1
    # Equal rows begin alike, and rarely do more of them than count: to read all of a large matrix takes longer than to differentiate it.
    _, groups, counts = np.unique(matrix[:, 0], return_inverse=True, return_counts=True)
    alike = matrix[counts[groups] > _FREE_EQUAL_TERMS]
    return max(Counter(row.tobytes() for row in alike if row.any()).values(), default=1)
