"""Products: affine layers, embeddings, linear classifiers, the network of two layers, attention."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from verifier.oracles.layer_operations.losses import cross_entropy, margins
from verifier.oracles.layer_operations.reference import Reference, Tensors, Values


def _affine(given: Tensors, values: Values) -> Tensor:
    x, w = given["x"], given["w"]
    rows = x if x.shape[-1] == w.shape[0] else x.reshape(x.shape[0], -1)
    return rows @ w + given["b"] if "b" in given else rows @ w


def _embedding(given: Tensors, values: Values) -> Tensor:
    """Where an index is padding, its row as it stands there (PyTorch's), or zeros."""
    rows, padding = given["W"][given["x"]], values["padding_idx"]
    if padding is None or values["at_padding"] == "row":
        return rows
    return rows * (given["x"] != int(padding) % len(given["W"])).unsqueeze(-1)


def _linear_loss(given: Tensors, values: Values) -> Tensor:
    scored = {"x": given["X"] @ given["W"], "y": given["y"]}
    loss = margins(scored, values) if values["loss"] == "hinge" else cross_entropy(scored, values)
    return loss + float(values["penalty"]) * float(values["reg"]) * (given["W"] ** 2).sum()


def _two_layer_net(given: Tensors, values: Values) -> Tensor:
    hidden = getattr(torch, str(values["activation"]))(given["X"] @ given["W1"] + given["b1"])
    scored = {"x": hidden @ given["W2"] + given["b2"], "y": given["y"]}
    squares = (given["W1"] ** 2).sum() + (given["W2"] ** 2).sum()
    return cross_entropy(scored, values) + float(values["penalty"]) * float(values["reg"]) * squares


def _attention(given: Tensors, values: Values) -> Tensor:
    q, k, v = given["q"], given["k"], given["v"]
    scale = 1 / math.sqrt(q.shape[-1]) if values["scale"] == "root" else 1.0
    return torch.softmax(scale * (q @ k.transpose(-1, -2)), -1) @ v


REFERENCES: Mapping[str, Reference] = {
    "affine": Reference(_affine, settled=True),
    "temporal_affine": Reference(_affine, settled=True),
    "embedding": Reference(_embedding, ("padding_idx", "at_padding"), settled=True),
    "linear_loss": Reference(_linear_loss, ("loss", "penalty", "reduction", "reg")),
    "two_layer_net": Reference(_two_layer_net, ("activation", "penalty", "reduction", "reg")),
    "attention": Reference(_attention, ("scale",)),
}
