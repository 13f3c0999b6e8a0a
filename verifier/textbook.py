"""The equations in NumPy, swept over a program: forward in order, then the vjps in reverse. Scatter, faults and walk-through share it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from verifier.arrays import FloatArray
from verifier.problems.operations import OPERATIONS, Store, exact
from verifier.problems.program import Node, Problem, Program
from verifier.results.evaluation import Evaluation


@dataclass(frozen=True)
class Sweep:
    """Every value by name, and the cotangent (∂loss/∂value) of each that has one."""

    values: Mapping[str, FloatArray]
    cotangents: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Applied:
    """One node where it is differentiated: what it was given and gave, its cotangent, and everything that is known by then."""

    node: Node
    inputs: tuple[FloatArray, ...]
    output: FloatArray
    cotangent: FloatArray
    values: Mapping[str, FloatArray]
    cotangents: Mapping[str, FloatArray]
    store: Store


Back = tuple[FloatArray | None, ...]
Replace = Callable[[Applied, Back], Back]  # the hook: what a node's vjp gave -> what is used in its place


@np.errstate(all="ignore")
def forward(program: Program, arrays: Mapping[str, FloatArray], store: Store = exact) -> dict[str, FloatArray]:
    """Every array and every node's output, by name."""
    values = dict(arrays)
    for node in program.nodes:
        inputs = tuple(values[name] for name in node.inputs)
        values[node.output] = OPERATIONS[node.operation].forward(inputs, node.attributes, store)
    return values


def sweep(program: Program, arrays: Mapping[str, FloatArray], store: Store = exact, replace: Replace | None = None) -> Sweep:
    """Forward, then backward from ∂loss/∂loss = 1; a value that is used twice adds its cotangents.

    Args:
        store: the hook through which every stored quantity passes (scatter perturbs it).
        replace: the hook that may put something else in the place of a node's vjp (a fault).
    """
    return backward(program, forward(program, arrays, store), store, replace)


def backward(program: Program, values: Mapping[str, FloatArray], store: Store = exact, replace: Replace | None = None) -> Sweep:
    """The second half of `sweep`, from every value by name."""
    cotangents: dict[str, FloatArray] = {}
    for _ in backward_by_array(program, values, cotangents, store, replace):
        pass  # all of them are kept
    return Sweep(values, cotangents)


def backward_by_array(
    program: Program,
    values: Mapping[str, FloatArray],
    cotangents: dict[str, FloatArray],
    store: Store = exact,
    replace: Replace | None = None,
) -> Iterator[str]:
    """The backward pass into `cotangents`, name by name of the arrays to differentiate, each as soon as its gradient is complete.

    Whoever takes each out of `cotangents` holds one at a time. One on which nothing depends is named, and has none.
    """
    first_use: dict[str, int] = {}
    for index, node in enumerate(program.nodes):
        for name in node.inputs:
            first_use.setdefault(name, index)
    cotangents[program.loss] = np.ones_like(values[program.loss])
    for index, node in reversed(tuple(enumerate(program.nodes))):
        if node.output in cotangents:
            _back_through(node, values, cotangents, store, replace)
        yield from (name for name in dict.fromkeys(node.inputs) if first_use[name] == index and name in program.differentiate)
    yield from (name for name in program.differentiate if name not in first_use)


@np.errstate(all="ignore")
def _back_through(
    node: Node, values: Mapping[str, FloatArray], cotangents: dict[str, FloatArray], store: Store, replace: Replace | None
) -> None:
    """One node's vjp, added to the cotangents of its inputs."""
    cotangent, output = cotangents[node.output], values[node.output]
    inputs = tuple(values[name] for name in node.inputs)
    back = OPERATIONS[node.operation].vjp(inputs, output, cotangent, node.attributes, store)
    if replace is not None:
        back = replace(Applied(node, inputs, output, cotangent, values, cotangents, store), back)
    for name, part in zip(node.inputs, back, strict=True):
        if part is not None:
            cotangents[name] = store(cotangents[name] + part) if name in cotangents else part


def double(arrays: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The arrays in float64: what every reference is computed from."""
    return {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}


def evaluate(problem: Problem) -> Evaluation:
    """Loss, outputs, gradients and stages by the textbook's equations in float64. `deltas[l]` is ∂loss/∂`pre_activations[l]`."""
    return evaluation_of(problem.program, sweep(problem.program, double(problem.arrays)))


def evaluation_of(program: Program, swept: Sweep) -> Evaluation:
    """What a sweep says of a program, as an evaluation (leading axes stay)."""
    gradients = {}
    for name in program.differentiate:
        gradient = swept.cotangents.get(name)
        gradients[name] = np.zeros_like(swept.values[name]) if gradient is None else gradient
    stages = {name: swept.values[name] for name in program.stages}
    for name in program.stages:
        if name.startswith("pre_activations") and name in swept.cotangents:
            stages[name.replace("pre_activations", "deltas")] = swept.cotangents[name]
    loss = swept.values[program.loss]
    outputs = None if program.outputs is None else swept.values[program.outputs]
    return Evaluation(float(loss) if loss.ndim == 0 else None, outputs, gradients, stages)
