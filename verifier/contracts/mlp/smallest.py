"""Small networks of plain numbers, smallest first: what can be worked by hand. The first of them that fails is the counterexample.

Numbers come from short lists by turns: 1 and ½ before anything else, never 0 in a weight, and not all alike, so that a reader sees which
number is which. Every turn begins elsewhere in the lists, so that signs and sizes change.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.family import Shelf
from verifier.contracts.mlp.claims import SOFTMAX_LOSSES, Claims
from verifier.contracts.mlp.network import Architecture, architecture_of, array_shapes, build_problem, roles_of, with_arrays
from verifier.problems.program import Problem

MOST_LAYERS, MOST_WIDTH, MOST_BATCH = 6, 3, 3
LARGE = 10.0  # inputs, larger than the plain ones
LONG = 9  # samples, up to which every number is tried where three are too few
DEEP = 4  # layers from which on two units are the most: their combinations are many
TURNS = 6
PROBES = 3  # turns of a probing problem
_WEIGHTS = (0.5, 1.0, -1.0, 2.0, -0.5, 1.5, -2.0)
_BIASES = (0.5, 1.0, -1.0, -0.5, 2.0)
_INPUTS = (1.0, 0.5, 2.0, -1.0, 3.0)
_TARGETS = {"real": (1.0, 0.5, 2.0, -1.0), "probability": (0.75, 0.25, 0.5), "binary": (1.0, 0.0), "one_hot": (1.0, 0.0)}
_SHARES = {2: ((0.75, 0.25), (0.25, 0.75)), 3: ((0.5, 0.25, 0.25), (0.25, 0.5, 0.25))}


def shelves(claims: Claims, like: Problem) -> Iterator[Shelf]:
    """Networks no larger than one that failed: of few samples before many, and of each number of layers in turn.

    After those of plain numbers the same ones with what is unusual in the network that failed: equal samples, large inputs.
    """
    network = architecture_of(like)
    for unusual in (_as_it_is, *_unusual(like)):
        for long in (False, True) if network.batch > _largest_batch(claims, network) else (False,):
            for layers in _depths(claims, network):
                probing, smallest = (
                    _probing_problems(claims, network, layers, long=long),
                    smallest_problems(claims, network, layers, long=long),
                )
                yield Shelf(map(unusual, probing), map(unusual, smallest))


def _as_it_is(problem: Problem) -> Problem:
    return problem


def _unusual(like: Problem) -> Iterator[Callable[[Problem], Problem]]:
    """What makes a plain network as unusual as one that failed."""
    samples = np.concatenate([like.arrays["x"], like.arrays["y"]], axis=1)
    if len(np.unique(samples, axis=0)) < len(samples):
        yield lambda problem: with_arrays(problem, {name: _last_as_first(problem.arrays[name]) for name in ("x", "y")})
    largest = float(np.max(np.abs(like.arrays["x"]), initial=0.0))
    if LARGE <= largest < np.inf:
        factor = 10.0 ** np.floor(np.log10(largest))
        yield lambda problem: _with_large_inputs(problem, factor)


def _with_large_inputs(problem: Problem, factor: float) -> Problem:
    """Inputs so many times as large, and the first weights as much smaller: units are no more saturated than they were."""
    scaled = {"x": problem.arrays["x"] * factor, "weights[0]": problem.arrays["weights[0]"] / factor}
    return with_arrays(problem, {name: array.astype(problem.dtype) for name, array in scaled.items()})


def _last_as_first(samples: FloatArray) -> FloatArray:
    return np.concatenate([samples[:-1], samples[:1]]) if len(samples) > 1 else samples


def _depths(claims: Claims, like: Architecture) -> Sequence[int]:
    """Numbers of layers that the claims allow, from one up to those of a network that failed, and to what can be worked by hand."""
    if claims.layers:
        return [claims.layers] if claims.layers <= MOST_LAYERS else []
    return range(1, min(max(2, like.layers), MOST_LAYERS, claims.max_layers) + 1)


def _probing_problems(claims: Claims, like: Architecture, layers: int, *, long: bool = False) -> Iterator[Problem]:
    """A few problems of a depth, of the most, the fewest and of different units: a mistake that shows at this depth mostly shows on one.

    `long`: of as many samples as the network that failed, where it has more than a person likes to work through.
    """
    least, most = _width_range(claims, like, layers)
    every = (most,) * (layers + 1), (1,) * layers + (least,), (*(min(most, 1 + unit % most) for unit in range(layers)), most)
    batches = [like.batch] if long else sorted({1, _largest_batch(claims, like)}, reverse=True)
    for widths in dict.fromkeys(tuple(size or width for size, width in zip(_sizes(claims, layers), each, strict=True)) for each in every):
        for architecture in _of_widths(claims, like, widths, batches):
            yield from _turns(architecture, claims, PROBES)


def smallest_problems(claims: Claims, like: Architecture, layers: int, *, long: bool = False) -> Iterator[Problem]:
    """Problems of this depth, of the output activation, loss and dtype of a network that failed, and of hidden activations that it has.

    In the order of what a person has to go through: units, then samples. `long`: of more samples than that, up to those of the network.
    """
    least, most = _width_range(claims, like, layers)
    units = product(*((size,) if size else range(1, most + 1) for size in _sizes(claims, layers)))
    few = _largest_batch(claims, like)
    batches = sorted({*range(few + 1, min(like.batch, LONG) + 1), like.batch}) if long else range(1, 1 + few)
    architectures = [one for widths in units if widths[-1] >= least for one in _of_widths(claims, like, widths, batches)]
    for architecture in sorted(architectures, key=lambda one: (sum(one.widths), one.batch)):
        yield from _turns(architecture, claims, TURNS)


def _sizes(claims: Claims, layers: int) -> Sequence[int]:
    """The claimed number of units of every layer, 0 where it is free."""
    return claims.sizes or (0,) * (layers + 1)


def _width_range(claims: Claims, like: Architecture, layers: int) -> tuple[int, int]:
    """The fewest outputs, and the most units of any layer."""
    least = 2 if like.activations[-1] == "softmax" or like.loss in SOFTMAX_LOSSES else 1
    return least, max(least, min(MOST_WIDTH if layers < DEEP else 2, claims.max_width))


def _largest_batch(claims: Claims, like: Architecture) -> int:
    return 1 if claims.batch == "single" else min(MOST_BATCH, max(like.batch, 1))


def _of_widths(claims: Claims, like: Architecture, widths: tuple[int, ...], batches: Iterable[int]) -> Iterator[Architecture]:
    layers = len(widths) - 1
    hidden = sorted(set(like.activations[:-1])) or sorted(set(claims.activations))
    for activation in hidden if layers > 1 else hidden[:1]:
        for batch in batches:
            yield Architecture(widths, (*[activation] * (layers - 1), like.activations[-1]), like.loss, batch, like.dtype)


def _turns(architecture: Architecture, claims: Claims, turns: int) -> Iterator[Problem]:
    for turn in range(turns):
        shapes = array_shapes(architecture, claims)
        arrays = {name: _numbers(name, shape, architecture, claims, turn) for name, shape in shapes.items()}
        yield build_problem(architecture, {name: array.astype(architecture.dtype) for name, array in arrays.items()}, claims)


def _numbers(name: str, shape: tuple[int, ...], architecture: Architecture, claims: Claims, turn: int) -> FloatArray:
    if name == "y":
        return _targets(shape, architecture, claims, turn)
    values = _INPUTS if name == "x" else _BIASES if name.startswith("biases") else _WEIGHTS
    begin = turn + (0 if name == "x" else roles_of(architecture.layers)[name].layer)
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
