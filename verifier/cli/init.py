"""`verifier init`: a file to start from, which fails with a helpful report until it is filled in."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verifier.errors import RequestError

if TYPE_CHECKING:
    from verifier.contracts.mlp.claims import Claims

DEFAULT_FILE = "my_network.py"
INDENT = " " * 4

OPTIONS = {
    "activations": "--activation",
    "output_activations": "--output-activation",
    "losses": "--loss",
    "reduction": "--reduction",
    "batch": "--batch",
    "weight_layout": "--weight-layout",
    "bias": "--bias",
    "targets": "--loss",
    "layers": "--layers",
}
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


@click.command()
@click.argument("file", metavar="[FILE]", default=DEFAULT_FILE)
@click.option(
    "--activation", "activations", multiple=True, metavar="NAME", help="Of hidden layers: sigmoid, tanh, relu, … (may be repeated)."
)
@click.option("--output-activation", "outputs", multiple=True, metavar="NAME", help="Of the last layer (may be repeated).")
@click.option("--loss", "losses", multiple=True, metavar="NAME", help="squared_error, cross_entropy, … (may be repeated).")
@click.option("--reduction", metavar="NAME", help="Over the batch: mean, sum or mean_all.")
@click.option("--batch", metavar="NAME", help="Where samples stand: rows, columns or single.")
@click.option("--weight-layout", metavar="NAME", help="out_in (z = W a) or in_out (z = a W).")
@click.option("--bias", metavar="NAME", help="vector, column, row or none.")
@click.option("--layers", type=click.IntRange(1, 12), help="For code with a fixed number of layers.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(
    file: str,
    activations: tuple[str, ...],
    outputs: tuple[str, ...],
    losses: tuple[str, ...],
    reduction: str | None,
    batch: str | None,
    weight_layout: str | None,
    bias: str | None,
    layers: int | None,
    force: bool,
) -> int:
    """Write a file to start from: backprop with its manifest, to be filled in.

    FILE is my_network.py by default. Without options: sigmoid layers, squared error, samples in rows.
    """
    said: dict[str, Any] = {
        "activations": list(activations),
        "output_activations": list(outputs),
        "losses": list(losses),
        "reduction": reduction,
        "batch": batch,
        "weight_layout": weight_layout,
        "bias": bias,
        "layers": layers,
    }
    path = Path(file)
    _write(path, starting_candidate({key: value for key, value in said.items() if value}), force=force)
    click.echo(
        f"Wrote {path}. Fill it in, and see what is wrong with it:\n\n    verifier check {path}\n\nOr on every save: verifier watch {path}"
    )
    return 0


def starting_candidate(said: dict[str, Any]) -> str:
    """The text of a candidate that claims this (keys of the manifest), with everything but the mathematics.

    Raises:
        RequestError: there are no such claims.
    """
    from verifier.contracts.keys import TableError
    from verifier.contracts.mlp.claims import claims_from

    try:
        claims = claims_from(said)
    except TableError as error:
        raise RequestError(f"{OPTIONS[error.key]} {error.says}") from None
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


def _manifest(said: dict[str, Any]) -> list[str]:
    from verifier.contracts.keys import shown

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
    hidden = [f"{name}: {ACTIVATIONS[name].format(leaky_slope=claims.leaky_slope)}" for name in claims.activations]
    outputs = [f"{name}: {ACTIVATIONS[name].format(leaky_slope=claims.leaky_slope)}" for name in claims.output_activations]
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


def _write(path: Path, text: str, *, force: bool) -> None:
    if path.suffix != ".py" or keyword.iskeyword(path.stem):
        raise RequestError(f"{path}: a candidate is a Python file, such as {DEFAULT_FILE}")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise RequestError(f"{path} is there already; take another name, or --force to write over it") from None
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror}") from None
