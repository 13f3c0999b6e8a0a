"""A file to start from: `backprop` with its manifest and the steps as comments, which fails with a helpful report until it is filled in."""

from collections.abc import Mapping, Sequence
from typing import Any

from verifier.contracts.keys import shown
from verifier.contracts.mlp.claims import Claims, claims_from
from verifier.problems.operations import OPERATIONS

INDENT = " " * 4

ACTIVATIONS = {
    "sigmoid": "1 / (1 + exp(-z))",
    "tanh": "tanh(z)",
    "relu": "max(z, 0)",
    "leaky_relu": "z where z > 0, else {leaky_slope:g} z",
    "softplus": "log(1 + exp(z))",
    "identity": "z",
    "softmax": "exp(z) / sum(exp(z)) over the outputs",
}
LOSSES = {
    "squared_error": "sum((y - a)**2)",
    "half_squared_error": "sum((y - a)**2) / 2",
    "binary_cross_entropy": "-sum(y log a + (1 - y) log(1 - a))",
    "cross_entropy": "-sum(y log a)",
    "softmax_cross_entropy": "-sum(y log softmax(z))",
    "binary_cross_entropy_with_logits": "-sum(y log s + (1 - y) log(1 - s)), s = sigmoid(z)",
}
SHAPES = {"rows": "(batch, {0})", "columns": "({0}, batch)"}
SINGLE = {"vector": "({0},)", "none": "({0},)", "column": "({0}, 1)", "row": "(1, {0})"}
REDUCTIONS = {"mean": "divided by the batch", "sum": "summed over the batch", "mean_all": "divided by batch and outputs"}


def starting_candidate(said: Mapping[str, Any]) -> str:
    """The text of a candidate that claims this (keys of the manifest), with everything but the mathematics.

    Raises:
        TableError: there are no such claims.
    """
    claims = claims_from(said)
    parameters = ["weights", "biases", "x", "y"]
    chosen = _chosen(claims)
    signature = ", ".join([*parameters, *chosen])
    lines = ['"""Backpropagation for a multilayer perceptron, to be filled in."""', "", *_manifest(said), "", "import numpy as np", "", ""]
    lines += [f"def backprop({signature}):", f'{INDENT}"""Return (loss, weight_gradients, bias_gradients).', ""]
    lines += [INDENT + line if line else "" for line in _docstring(claims, chosen)]
    lines += [f'{INDENT}"""', *(INDENT + line if line else "" for line in _body(claims))]
    return "\n".join(lines) + "\n"


def _chosen(claims: Claims) -> list[str]:
    """The keywords that are passed where the claims leave a choice."""
    several = len(claims.activations) > 1 or len(claims.output_activations) > 1
    return (["activations"] if several else []) + (["loss"] if len(claims.losses) > 1 else [])


def _manifest(said: Mapping[str, Any]) -> list[str]:
    table = {"contract": "mlp", "activations": ["sigmoid"], "losses": ["squared_error"], **said}
    return ["# /// script", "# [tool.verifier]", *(f"# {key} = {shown(value)}" for key, value in table.items()), "# ///"]


def _docstring(claims: Claims, chosen: Sequence[str]) -> list[str]:
    shape = SHAPES.get(claims.batch) or SINGLE[claims.bias]
    weights = "(out, in)" if claims.weight_layout == "out_in" else "(in, out)"
    biases = {"vector": "(out,)", "column": "(out, 1)", "row": "(1, out)", "none": ""}[claims.bias]
    lines = [
        "Args:",
        f"    weights: one array a layer, first layer first, each of shape {weights}.",
        f"    biases: one array a layer, each of shape {biases}." if biases else "    biases: an empty list; the layers have none.",
        f"    x: inputs, of shape {shape.format('in')}.",
        f"    y: right answers, of shape {shape.format('out')}.",
    ]
    if "activations" in chosen:
        lines.append('    activations: name of the activation of each layer, such as ["tanh", "sigmoid"].')
    if "loss" in chosen:
        lines.append("    loss: its name.")
    gradients = "lists like weights and biases" if biases else "a list like weights, and an empty list"
    return [*lines, "", f"The gradients are {gradients}, each array of the same shape."]


def _body(claims: Claims) -> list[str]:
    """The steps as comments, and a sentence in place of the mathematics."""
    product = "W a + b" if claims.weight_layout == "out_in" else "a W + b"
    product = product if claims.bias != "none" else product.removesuffix(" + b")
    hidden, outputs = ([_formula(name, claims) for name in names] for names in (claims.activations, claims.output_activations))
    reduction = "" if claims.batch == "single" else f", {REDUCTIONS[claims.reduction]}"
    losses = [f"{name}: {LOSSES[name]}{reduction}" for name in claims.losses]
    softmax = "softmax" in claims.output_activations
    return [
        f"# 1. Forward: z = {product} for each sample, a = activation(z), layer by layer; keep every z and a.",
        *(f"#      {one}" for one in hidden),
        *(f"#    The last layer: {one}" for one in outputs if outputs != hidden),
        "# 2. The loss, over the last layer's a.",
        *(f"#      {one}" for one in losses),
        "# 3. Backward: delta of the last layer = (d loss / d a) * activation'(z); of each layer before it",
        "#    delta = (W of the layer after, transposed, times its delta) * activation'(z).",
        *(["#    Each softmax output depends on every z: with cross_entropy that delta comes to a - y."] if softmax else []),
        "# 4. Gradients: of W the delta times the a that went in, summed over the batch; of b the delta, summed over the batch.",
        'raise NotImplementedError("fill in backprop: step 1 is the forward pass")',
    ]


def _formula(activation: str, claims: Claims) -> str:
    """An activation as it is written in Python; of one that is plugged in, what its operation says of itself."""
    known = ACTIVATIONS.get(activation)
    return f"{activation}: {known.format(leaky_slope=claims.leaky_slope) if known else OPERATIONS[activation].summary}"
