"""A multilayer perceptron as a problem: one builder over the program form.

Names, as the candidate's author sees them, first layer 0: `weights[l]` (out, in), `biases[l]` (out,), `x` (batch, in), `y` (batch, out),
`pre_activations[l]`, `activations[l]` (batch, out).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.errors import RequestError
from verifier.problems.program import Node, Problem, Program, Role

# The activations whose code has an exponential, where people clip the pre-activation.
_EXPONENTIAL = ("sigmoid", "tanh", "softplus", "softmax")
_LOGARITHMIC = ("cross_entropy", "binary_cross_entropy", "softmax_cross_entropy", "binary_cross_entropy_with_logits")
# A loss of logits that already contains the output's activation works on what the activation is given.
_OF_LOGITS = {"softmax_cross_entropy": "softmax", "binary_cross_entropy_with_logits": "sigmoid"}
# A logarithm of a probability is computed from its logits: the reference is then right to the last bits.
_FUSED = {("cross_entropy", "softmax"): "softmax_cross_entropy", ("binary_cross_entropy", "sigmoid"): "binary_cross_entropy_with_logits"}


@dataclass(frozen=True)
class Architecture:
    """What a network is, but for its numbers: `widths` input first, `activations` one a layer, the loss, the batch, the dtype."""

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    batch: int
    dtype: str = "float64"

    @property
    def layers(self) -> int:
        return len(self.activations)

    def describe(self) -> str:
        """One line for people: `layers 3-4-1, tanh then sigmoid, squared_error, batch 2`."""
        kinds = self.activations[0] if len(set(self.activations)) == 1 else " then ".join(self.activations)
        single = ", float32" if self.dtype == "float32" else ""
        return f"layers {'-'.join(map(str, self.widths))}, {kinds}, {self.loss}, batch {self.batch}{single}"


def architecture_of(problem: Problem) -> Architecture:
    """The architecture that a problem was built from. Raises RequestError where it says none (a damaged file, another contract)."""
    choices = problem.choices
    try:
        widths, activations = tuple(choices["widths"]), tuple(choices["activations"])
        architecture = Architecture(widths, activations, choices["loss"], choices["batch"], problem.dtype)
    except (KeyError, TypeError) as error:
        raise RequestError(f"the problem says no network: {type(error).__name__}: {error}") from None
    sizes = (*widths, architecture.batch)
    words = (*activations, architecture.loss)
    if len(widths) != len(activations) + 1 or not all(type(size) is int for size in sizes) or not all(type(word) is str for word in words):
        raise RequestError("the problem says no network: widths, activations, loss and batch do not fit together")
    return architecture


def array_shapes(architecture: Architecture, claims: Claims) -> dict[str, tuple[int, ...]]:
    """Shape of every array of the problem, by name."""
    widths = architecture.widths
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(architecture.layers):
        shapes[f"weights[{layer}]"] = (widths[layer + 1], widths[layer])
        if claims.bias != "none":
            shapes[f"biases[{layer}]"] = (widths[layer + 1],)
    return shapes | {"x": (architecture.batch, widths[0]), "y": (architecture.batch, widths[-1])}


def build_problem(architecture: Architecture, arrays: Mapping[str, FloatArray], claims: Claims) -> Problem:
    """The problem of this network with these arrays, its loss as claimed."""
    choices = {
        "widths": list(architecture.widths),
        "activations": list(architecture.activations),
        "loss": architecture.loss,
        "batch": architecture.batch,
    }
    program = build_program(architecture, claims)
    sizes = {
        "layers": architecture.layers,
        "batch": architecture.batch,
        "inputs": architecture.widths[0],
        "outputs": architecture.widths[-1],
    }
    return Problem(program, arrays, architecture.dtype, "mlp", choices, architecture.describe(), roles_of(architecture.layers), sizes)


@cache
def roles_of(layers: int) -> Mapping[str, Role]:
    """The role of every parameter and stage of a network with so many layers, by name."""
    kinds = ("weights", "biases", "pre_activations", "activations", "deltas")
    positions = ["output" if layer == layers - 1 else "first" if layer == 0 else "hidden" for layer in range(layers)]
    return {f"{kind}[{layer}]": Role(kind, layer, position) for layer, position in enumerate(positions) for kind in kinds}


def build_program(architecture: Architecture, claims: Claims) -> Program:
    """Forward pass, loss, reduction and regularisation as nodes."""
    layers = architecture.layers
    nodes: list[Node] = []
    for layer in range(layers):
        nodes += _layer(layer, architecture.activations[layer], claims)
    nodes.append(_loss(architecture, claims))
    outputs = architecture.widths[-1]
    divisor = {"sum": 1, "mean": architecture.batch, "mean_all": architecture.batch * outputs}[claims.reduction]
    weights = tuple(f"weights[{layer}]" for layer in range(layers))
    plain = claims.l2 == 0 and claims.loss_scale == 1
    nodes.append(Node("reduce", ("losses",), "loss" if plain else "data", {"divisor": float(divisor)}))
    if not plain:
        parts: tuple[str, ...] = ("data",)
        if claims.l2 != 0:
            factor = claims.l2 / architecture.batch if claims.l2_over_batch else claims.l2
            nodes.append(Node("l2", weights, "penalty", {"factor": factor}))
            parts = ("data", "penalty")
        nodes.append(Node("total", parts, "loss", {"scale": claims.loss_scale}))
    biases = () if claims.bias == "none" else tuple(f"biases[{layer}]" for layer in range(layers))
    stages = tuple(f"{kind}[{layer}]" for kind in ("pre_activations", "activations") for layer in range(layers))
    return Program(tuple(nodes), weights + biases, "loss", f"activations[{layers - 1}]", stages)


def _layer(layer: int, activation: str, claims: Claims) -> list[Node]:
    before = "x" if layer == 0 else f"activations[{layer - 1}]"
    pre_activation = f"pre_activations[{layer}]"
    parameters = (f"weights[{layer}]",) if claims.bias == "none" else (f"weights[{layer}]", f"biases[{layer}]")
    nodes = [Node("affine", (before, *parameters), pre_activation)]
    argument = pre_activation
    if claims.clip_preactivation is not None and activation in _EXPONENTIAL:
        argument = f"clipped[{layer}]"
        nodes.append(Node("clip_preactivation", (pre_activation,), argument, {"bound": claims.clip_preactivation}))
    attributes = {"leaky_slope": claims.leaky_slope} if activation == "leaky_relu" else {}
    for kind, key, value in (
        ("softplus", "softplus_threshold", claims.softplus_threshold),
        ("softmax", "softmax_epsilon", claims.softmax_epsilon),
    ):
        if activation == kind and value is not None:
            attributes[key] = value
    return [*nodes, Node(activation, (argument,), f"activations[{layer}]", attributes)]


def _loss(architecture: Architecture, claims: Claims) -> Node:
    last, activation, loss = architecture.layers - 1, architecture.activations[-1], architecture.loss
    clipped = claims.clip_preactivation is not None and activation in _EXPONENTIAL
    logits = f"clipped[{last}]" if clipped else f"pre_activations[{last}]"
    attributes: dict[str, float] = {}
    if loss in ("cross_entropy", "binary_cross_entropy"):
        if claims.log_epsilon is not None:
            if isinstance(claims.log_epsilon, tuple):
                attributes["log_epsilon"], attributes["log_epsilon_of_rest"] = claims.log_epsilon
            else:
                attributes["log_epsilon"] = claims.log_epsilon
        if claims.clip_ends is not None:
            low, high = claims.clip_ends
            attributes |= {"clip_output": low, "clip_output_high": high}
    fused = _FUSED.get((loss, activation))
    if fused is not None and not attributes and not (activation == "softmax" and claims.softmax_epsilon):
        return Node(fused, (logits, "y"), "losses")
    return Node(loss, (logits if _OF_LOGITS.get(loss) == activation else f"activations[{last}]", "y"), "losses", attributes)


def losses_of_outputs(problem: Problem, claims: Claims, outputs: FloatArray, parameters: Mapping[str, FloatArray]) -> FloatArray:
    """The claimed loss over outputs (points, batch, outputs) that somebody else computed, with the regularisation of the parameters.

    Args:
        parameters: by name, each with the points as its leading axis.
    Returns:
        One loss a point, float64.
    """
    architecture = architecture_of(problem)
    # A loss of logits, where the outputs are already probabilities, is the loss of those probabilities.
    of_probabilities = {loss: plain for (plain, activation), loss in _FUSED.items() if activation == architecture.activations[-1]}
    nodes = problem.program.nodes
    first = next(index for index, node in enumerate(nodes) if node.output == "losses")
    loss = of_probabilities.get(nodes[first].operation, nodes[first].operation)
    program = replace(problem.program, nodes=(Node(loss, ("outputs", "y"), "losses", nodes[first].attributes), *nodes[first + 1 :]))
    arrays = {**parameters, "outputs": outputs, "y": problem.arrays["y"].astype(np.float64)[None]}
    return textbook.forward(program, arrays)[program.loss]


def is_logarithmic(loss: str) -> bool:
    """Whether a loss takes logarithms of probabilities, so that saturated outputs lose its digits."""
    return loss in _LOGARITHMIC


def with_claims(problem: Problem, claims: Claims) -> Problem:
    """The same network and numbers, judged by other claims.

    Raises:
        RequestError: an array that these claims need is missing, or has another shape.
    """
    architecture = architecture_of(problem)
    shapes = array_shapes(architecture, claims)
    for name, shape in shapes.items():
        if name not in problem.arrays:
            raise RequestError(f'the stored network has no {name}; the claims need it (bias = "{claims.bias}")')
        if problem.arrays[name].shape != shape:
            stored = problem.arrays[name].shape
            raise RequestError(f"{name} of the stored network has shape {stored}, but {architecture.describe()} needs {shape}")
    return build_problem(architecture, {name: problem.arrays[name] for name in shapes}, claims)


def refusals(problem: Problem, claims: Claims) -> list[str]:
    """What a network has that the claims do not: activations, a loss, several samples, a depth."""
    architecture = architecture_of(problem)
    wrong = sorted(set(architecture.activations[:-1]) - set(claims.activations))
    if (architecture.activations[-1], architecture.loss) not in claims.pairs():
        wrong.append(f"{architecture.activations[-1]} with {architecture.loss}")
    if claims.batch == "single" and architecture.batch != 1:
        wrong.append(f"a batch of {architecture.batch}")
    if claims.layers is not None and claims.layers != architecture.layers:
        wrong.append(f"{architecture.layers} layers")
    return wrong


def with_arrays(problem: Problem, arrays: Mapping[str, FloatArray]) -> Problem:
    """The same network with some of its arrays replaced."""
    return replace(problem, arrays={**problem.arrays, **arrays})


def sample_of(problem: Problem, row: int, claims: Claims) -> Problem:
    """The same network on one sample of the batch: a batch of one."""
    arrays = {**problem.arrays, "x": problem.arrays["x"][row : row + 1], "y": problem.arrays["y"][row : row + 1]}
    return build_problem(replace(architecture_of(problem), batch=1), arrays, claims)


def share_of_sample(problem: Problem, claims: Claims) -> float:
    """What a sample's gradient counts in that of the batch."""
    return 1.0 if claims.reduction == "sum" else 1.0 / problem.arrays["x"].shape[0]


def data_part(gradients: Mapping[str, FloatArray], problem: Problem) -> dict[str, FloatArray]:
    """The gradients without the regularisation's 2 · loss_scale · factor · W."""
    scale = next((node.attributes["scale"] for node in problem.program.nodes if node.operation == "total"), 1.0)
    factor = next((node.attributes["factor"] for node in problem.program.nodes if node.operation == "l2"), 0.0)
    if not factor:
        return dict(gradients)
    return {
        name: gradient - 2 * scale * factor * problem.arrays[name].astype(np.float64) if problem.roles[name].kind == "weights" else gradient
        for name, gradient in gradients.items()
    }
