"""What a gradient costs in forward passes: backpropagation takes one and a half or so, whatever the size; other ways one a parameter.

Differences, complex steps, dual numbers: each moves one parameter and runs the network again, with however many digits. Their gradients can
be right, so no comparison tells. What tells is how often activations are evaluated in one call as networks grow. Backpropagation evaluates
them once or a few times a unit, or, where it is wasteful, once a weight; a pass a parameter evaluates them all for every parameter, so more
often a parameter the more layers there are. Where the depth is fixed, products of matrices are counted beside.

Not seen: all parameters moved at once in one large array, a single layer, activations that are no named function, and code that notices
that it is watched.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.problems.program import Problem

WIDTH, WIDER = 4, 8
BATCH, TALLER = 2, 8
LAYERS, DEEPER = 2, 6
FIRST_INDEX = 1 << 20  # of the networks' numbers: none of the corpus
# Measured on about 30 right candidates and nine that run a pass a parameter. Evaluations grow as the parameters to the power of at
# most 0.55, or 1.02 where each weight has its own; of at least 0.97. A parameter, with three times the layers: at most 1.13 times,
# at least 1.94.
GROWS = 0.75
GROWS_STEEPLY = 1.2  # each parameter's pass evaluates more as networks grow: scalar code
DEEPENS = 1.5
OF_A_PASS = 0.8  # evaluations, and products of matrices, a parameter and layer
MANY = 20  # of as few parameters as a 2-1-1 network has, right code that computes its activations twice evaluates them more than once each
STANDS = 1.5  # a vectorised pass evaluates no more often for a larger batch


@dataclass(frozen=True)
class Cost:
    """Of one call on one network."""

    network: str
    layers: int
    parameters: int
    statements: int
    evaluations: int
    products: int


def pass_a_parameter(claims: Claims, seed: int, counts: Callable[[Problem], list[int] | None]) -> str:
    """A sentence with the figures where a call costs a forward pass a parameter; else "".

    Args:
        counts: statements, evaluations and products that one call of the candidate takes on a problem; None where it gives no answer.
    """
    layers = claims.layers or min(LAYERS, claims.max_layers)
    shapes = {"small": (WIDTH, layers, BATCH), "wide": (WIDER, layers, BATCH), "tall": (WIDTH, layers, TALLER)}
    if claims.layers is None and claims.max_layers >= 2 * layers:
        shapes["deep"] = (WIDTH, min(DEEPER, claims.max_layers), BATCH)
    costs: dict[str, Cost] = {}
    for index, (name, (width, depth, batch)) in enumerate(shapes.items()):
        cost = _cost(_network(claims, width, depth, batch), claims, seed, FIRST_INDEX + index, counts)
        if cost is None or cost.evaluations == 0:
            return ""
        costs[name] = cost
    return _in_words(costs["wide"], costs.get("deep")) if _runs_a_pass_a_parameter(costs) else ""


def _network(claims: Claims, width: int, layers: int, batch: int) -> Architecture:
    fixed = claims.sizes or (0,) * (layers + 1)
    widths = tuple(size or min(width, claims.max_width) for size in fixed)
    output, loss = claims.pairs()[0]
    smooth = next((kind for kind in claims.activations if kind not in ("identity", "relu", "leaky_relu")), claims.activations[0])
    return Architecture(widths, (*[smooth] * (layers - 1), output), loss, 1 if claims.batch == "single" else batch, claims.dtypes[0])


def _cost(network: Architecture, claims: Claims, seed: int, index: int, counts: Callable[[Problem], list[int] | None]) -> Cost | None:
    problem = draw_problem(network, Recipe(), claims, seed=seed, index=index)
    found = counts(problem)
    if found is None:
        return None
    parameters = sum(problem.arrays[name].size for name in problem.program.differentiate)
    return Cost(network.describe(), network.layers, parameters, *found)


def _runs_a_pass_a_parameter(costs: dict[str, Cost]) -> bool:
    small, wide, tall, deep = costs["small"], costs["wide"], costs["tall"], costs.get("deep")
    if _a_parameter(wide) < OF_A_PASS:
        return False
    power = None
    if wide.parameters >= 2 * small.parameters:
        power = math.log(wide.evaluations / small.evaluations) / math.log(wide.parameters / small.parameters)
    if power is not None and power >= GROWS_STEEPLY:
        return True
    if deep is not None:
        return power is not None and power >= GROWS and _a_parameter(deep) >= DEEPENS * _a_parameter(small)
    passed = min(wide.evaluations, wide.products)
    by_passes = passed >= max(MANY, OF_A_PASS * wide.layers * wide.parameters)
    return wide.layers > 1 and by_passes and tall.evaluations <= STANDS * small.evaluations


def _a_parameter(cost: Cost) -> float:
    return cost.evaluations / cost.parameters


def _in_words(wide: Cost, deep: Cost | None) -> str:
    deeper = "" if deep is None else f", {_a_parameter(deep):.3g} with {deep.layers} layers"
    return (
        f"A gradient costs about one forward pass per parameter: for {wide.parameters} parameters ({wide.network}) one call evaluates "
        f"activations {wide.evaluations:,} times, {_a_parameter(wide):.3g} per parameter{deeper}, in {wide.statements:,} statements. "
        "That is typical of differences, complex steps and forward mode; backpropagation needs one forward pass and one backward pass, "
        "whatever the size."
    )
