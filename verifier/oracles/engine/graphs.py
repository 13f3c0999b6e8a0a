"""A graph of an engine computed and differentiated by PyTorch in float64, with the scatter of every value and gradient.

The scatter is the textbook's, for graphs: in each copy every value that a node reads is multiplied by 1 + uξ, ξ uniform on [−1, 1], and
the cotangent that runs back over this edge by another such factor. u is 2⁻⁴⁰, or the machine epsilon where that is larger: then what is
left of terms that cancel twice (a/a divided by itself) has its true size. What comes out of a bounded function (sigmoid, tanh, softmax, …)
also gets an absolute uξ, since right code may compute it from 1 − something, and what runs back through it an absolute uξ of the cotangent,
since right code may compute 1 − y², or the terms of a softmax one by one.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from verifier.arrays import FloatArray
from verifier.contracts.engine.graph import Graph, Node
from verifier.oracles.engine.operations import apply
from verifier.tolerance import SAFETY, element_tolerance

COPIES = 4
UNIT = 2.0**-40
POOL = 1 << 16
UNIFORM = torch.rand(POOL, generator=torch.Generator().manual_seed(20261127), dtype=torch.float64) * 2 - 1
BOUNDED = frozenset(
    ("sigmoid", "tanh", "softmax", "log_softmax", "softplus", "logsigmoid", "erf", "softsign", "gelu", "silu", "mish")
).union(("sin", "cos", "expm1", "log1p", "logaddexp", "logsumexp", "hardsigmoid", "hardswish"))
AVERAGING = frozenset(("cross_entropy", "binary_cross_entropy_with_logits"))  # (p − y) / N
CONJUGATED = np.array([1.0, -1.0])
LEAST = 0.25  # scatter of one correctly rounded number, in its own machine epsilons


@dataclass(frozen=True)
class Answered:
    """One tensor's right value with the tolerance of each element."""

    right: FloatArray
    tolerance: FloatArray


@dataclass(frozen=True)
class GraphReference:
    """What is right: values by name (of nodes), and for each pass the gradients by leaf; both may be asked with any accumulation."""

    values: Mapping[str, Answered]
    passes: tuple[Mapping[str, Answered], ...]


def refer_graph(
    graph: Graph,
    *,
    epsilon: float,
    accumulates: bool = True,
    cotangents: bool = False,
    copies: int = COPIES,
    conjugate: bool = False,
) -> GraphReference:
    """The right answers to a graph.

    Args:
        epsilon: machine epsilon of the numbers that the engine computes in.
        accumulates: whether a leaf's gradient is the sum over the passes so far (since the last `clear`), or the last pass' alone.
        cotangents: also the gradients of the nodes, by name, in each pass.
        conjugate: of complex numbers, the gradient without the conjugation of the derivative that PyTorch has: JAX's.
        copies: how many noisy ones; without any, each tolerance is the least that it can be, that of one correctly rounded number.
    """
    if conjugate:
        turned = {one.cotangent: graph.arrays[one.cotangent] * CONJUGATED for one in graph.passes if one.cotangent}
        graph = replace(graph, arrays={**graph.arrays, **turned})
    exact = _sweep(graph, None, accumulates, cotangents)
    unit = max(UNIT, epsilon)
    noisy = [_sweep(graph, _Noise(copy, unit), accumulates, cotangents) for copy in range(1, copies + 1)]
    longest = max([2, *(size for array in graph.arrays.values() for size in array.shape)])

    def answered(right: Tensor, copies: list[Tensor]) -> Answered:
        value = _numbers(right)
        scatter = LEAST * epsilon * _sizes(right, value)
        for copy in copies:
            scatter = np.maximum(scatter, _sizes(right, _numbers(copy) - value) * (epsilon / unit))
        return Answered(value, np.asarray(element_tolerance(scatter, longest), dtype=np.float64))

    values = {name: answered(value, [copy[0][name] for copy in noisy]) for name, value in exact[0].items()}
    passes = tuple(
        {name: answered(value, [copy[1][number][name] for copy in noisy]) for name, value in found.items()}
        for number, found in enumerate(exact[1])
    )
    if conjugate:
        passes = tuple({name: replace(one, right=one.right * CONJUGATED) for name, one in found.items()} for found in passes)
    return GraphReference(values, passes)


def path_by_path(graph: Graph, reference: GraphReference) -> GraphReference:
    """The same answers, for an engine that follows each path from the output to a leaf by itself and adds what arrives one by one.

    A sum of P terms, added in any order, is off by at most (P - 1) ε/2 of the sum of their sizes (Higham, Accuracy and Stability of
    Numerical Algorithms, 2002, equation 4.4); a scatter is at least ε/4 of it, so 2P of them hold it.
    """
    arrived = dict.fromkeys(graph.leaves, 0)
    passes = []
    for number, found in enumerate(reference.passes):
        arrived = {leaf: count + graph.paths(number).get(leaf, 0) for leaf, count in arrived.items()}
        factors = {name: max(1.0, 2 * arrived.get(name, 0) / SAFETY) for name in found}
        passes.append({name: replace(one, tolerance=one.tolerance * factors[name]) for name, one in found.items()})
    return replace(reference, passes=tuple(passes))


def _numbers(tensor: Tensor) -> FloatArray:
    """A tensor's numbers; real and imaginary parts along a last axis."""
    return np.asarray((torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor).detach().numpy())


def _sizes(tensor: Tensor, numbers: FloatArray) -> FloatArray:
    """The sizes of a tensor's numbers; of both parts of a complex one its modulus, since rounding of the one reaches the other."""
    sizes = np.abs(numbers)
    return np.broadcast_to(np.hypot(sizes[..., :1], sizes[..., 1:]), sizes.shape) if tensor.is_complex() else sizes


class _Noise:
    """The noise of one copy."""

    def __init__(self, seed: int, unit: float) -> None:
        self._places = random.Random(seed)
        self._unit = unit

    def absolute(self, result: Tensor, operands: Sequence[Tensor], share: float = 1.0) -> Tensor:
        """The result with an absolute error of u, and with one of u times the cotangent in what runs back to each operand."""
        result = result + self._read(result)
        for operand in operands:
            if operand.requires_grad:
                back = (operand - operand.detach()) * self._read(operand) * share
                result = result + (back if _stretches(back.shape, result.shape) else back.sum())
        return result

    def edge(self, value: Tensor) -> Tensor:
        """The value as a node reads it, with noise of its own, and its cotangent with another: else a/a would have a slope without any."""
        back = value * (1 + self._read(value))
        return torch.addcmul(back, value.detach(), self._read(value).to(value.dtype))

    def _read(self, like: Tensor) -> Tensor:
        place = int(self._places.random() * (POOL - like.numel()))
        return _pool(self._unit)[place : place + like.numel()].view(like.shape)


def _stretches(shape: Sequence[int], to: Sequence[int]) -> bool:
    """Whether an array of this shape broadcasts to the other."""
    return len(shape) <= len(to) and all(size in (1, other) for size, other in zip(reversed(shape), reversed(to), strict=False))


@cache
def _pool(unit: float) -> Tensor:
    return unit * UNIFORM


Sweep = tuple[dict[str, Tensor], list[dict[str, Tensor]]]


def _sweep(graph: Graph, noise: _Noise | None, accumulates: bool, cotangents: bool) -> Sweep:
    values = {name: torch.from_numpy(np.array(array)) for name, array in graph.arrays.items()}
    values = {name: value.double() if value.is_floating_point() else value for name, value in values.items()}
    values |= {name: torch.view_as_complex(values[name].contiguous()) for name in graph.complex}
    leaves = {name: values[graph.same.get(name, name)].clone().requires_grad_() for name in graph.leaves}
    values |= leaves
    gradients: list[dict[str, Tensor]] = []
    so_far = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    built = 0
    for one in graph.passes:
        for node in graph.nodes[built : one.nodes]:
            value = _apply(node, values, noise)
            values[node.output] = value.detach() if node.output in graph.untracked else value
        built = one.nodes
        output = values[one.output]
        weights = torch.ones_like(output) if one.cotangent is None else values[one.cotangent]
        wanted = dict(leaves)
        if cotangents:
            wanted |= {node.output: values[node.output] for node in graph.nodes[:built] if values[node.output].requires_grad}
        fresh = dict(zip(wanted, _gradients(*_asked(graph, output, weights, leaves, values), list(wanted.values())), strict=True))
        if accumulates and not one.clear:
            fresh |= {name: so_far[name] + fresh[name] for name in leaves}
        so_far = {name: fresh[name] for name in leaves}
        gradients.append(fresh)
    return {node.output: values[node.output].detach() for node in graph.nodes[:built]}, gradients


def _asked(
    graph: Graph, output: Tensor, weights: Tensor, leaves: Mapping[str, Tensor], values: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """What is differentiated, and its cotangent: the output, or the sum of its gradients times their directions."""
    if not graph.directions or not output.requires_grad:
        return output, weights
    leaf_of = {name: leaves[name] for name in graph.directions}
    slopes = torch.autograd.grad(output, list(leaf_of.values()), weights, create_graph=True, allow_unused=True)
    along = [(slope * values[graph.directions[name]]).sum() for name, slope in zip(leaf_of, slopes, strict=True) if slope is not None]
    total = torch.stack([*along, torch.zeros((), dtype=torch.float64)]).sum()
    return total, torch.ones_like(total)


def _gradients(output: Tensor, weights: Tensor, wanted: list[Tensor]) -> list[Tensor]:
    if not output.requires_grad:
        return [torch.zeros_like(one) for one in wanted]
    found = torch.autograd.grad(output, wanted, weights, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(one) if gradient is None else gradient.detach() for one, gradient in zip(wanted, found, strict=True)]


def _apply(node: Node, values: Mapping[str, Tensor], noise: _Noise | None) -> Tensor:
    operands = [_operand(operand, values, noise) for operand in node.operands]
    result = apply(node, operands)
    if noise is not None and node.operation in BOUNDED:
        return noise.absolute(result, operands)
    if noise is not None and node.operation in AVERAGING:
        return noise.absolute(result, operands, 1 / operands[0].shape[0])
    if noise is not None and node.operation == "layer_norm":
        x, weight = operands[0].detach(), operands[1].detach()
        return noise.absolute(result, operands[:1], float(weight.abs().max() / x.std(-1, correction=0).min()))
    return result


def _operand(operand: str | float, values: Mapping[str, Tensor], noise: _Noise | None) -> Tensor:
    if not isinstance(operand, str):
        return torch.tensor(float(operand), dtype=torch.float64)
    value = values[operand]
    return noise.edge(value) if noise is not None and (value.is_floating_point() or value.is_complex()) else value
