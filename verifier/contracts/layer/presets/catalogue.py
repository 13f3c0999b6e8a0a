"""Presets: what the layers of a course are called, each a file in the form of an assignment, and how a course is recognised."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
DESCRIPTIONS = {
    "cs231n": "Stanford's CS231n: layers, rnn_layers, classifiers, optim",
    "mytorch": "CMU's mytorch: classes with forward, backward and dLdW",
    "deeplearning-ai": "deeplearning.ai: layers with samples in columns, recurrent cells, optimiser steps",
}
# Names that this course has; a file is taken for the course of which it has most, and two of them at least.
MARKS: Mapping[str, re.Pattern[str]] = {
    "cs231n": re.compile(
        r"^def (?:(?:affine|relu|batchnorm|layernorm|dropout|spatial_batchnorm|spatial_groupnorm|rnn_step|rnn|lstm_step|lstm"
        r"|word_embedding|temporal_affine)_(?:forward|backward)"
        r"|(?:conv|max_pool)_(?:forward|backward)_naive|(?:svm|softmax)_loss_(?:naive|vectorized))\b"
        r"|^def (?:sgd|sgd_momentum|rmsprop|adam)\((?:w, dw|x, dx), config\b|^class TwoLayerNet\b|^ +def loss\(self, X, y=None, reg\b",
        re.MULTILINE,
    ),
    "deeplearning-ai": re.compile(
        r"^def (?:linear_forward|linear_backward|relu_backward|sigmoid_backward|pool_backward|conv_backward"
        r"|(?:rnn|lstm)(?:_cell)?_(?:forward|backward)|update_parameters_with_(?:gd|momentum|adam))\(",
        re.MULTILINE,
    ),
    "mytorch": re.compile(
        r"^class (?:Linear|ReLU|BatchNorm1d|MaxPool2d_stride1|Conv2d_stride1|Sigmoid|Tanh|GELU|MSELoss|CrossEntropyLoss)\b"
        r"|\bself\.dLd(?:[WAb]|B[Wb])\b",
        re.MULTILINE,
    ),
}
TELLING = {"mytorch": re.compile(r"\bdLd[A-Z]")}
LEAST = 2  # marks


def names() -> tuple[str, ...]:
    """Every preset's name."""
    return tuple(DESCRIPTIONS)


def text_of(name: str) -> str:
    """The file of a preset, as it can be copied."""
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def presets() -> Mapping[str, tuple[str, str]]:
    """By name, what each is for and its file, as it can be copied."""
    return {name: (description, text_of(name)) for name, description in DESCRIPTIONS.items()}


@cache
def keys_of(name: str) -> Mapping[str, Any]:
    """The manifest keys that a preset says."""
    table = tomllib.loads(text_of(name))
    return {key: value for key, value in table.items() if key != "contract"}


def recognised(source: str) -> str | None:
    """The preset of whose names the text of a Python file defines most, or None."""
    found = {
        name: len(set(pattern.findall(source))) for name, pattern in MARKS.items() if name not in TELLING or TELLING[name].search(source)
    }
    name = max(found, key=lambda name: found[name])
    return name if found[name] >= LEAST else None
