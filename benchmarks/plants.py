"""Wrong gradients planted by us, each in another operation, beside its right version: `benchmarks.museum` judges them without a folder."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.exhibits import Exhibit

A = Any
Pair = tuple[str, str, Callable[..., A], Callable[..., A], Callable[..., A], Callable[..., A], dict[str, A]]
"""Name, shapes, forward, wrong backward, right backward, reference, what else is said."""

F = torch.nn.functional


def _sigmoid(x: A) -> A:
    return 1 / (1 + np.exp(-x))


def _softmax(x: A) -> A:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _norm(x: A) -> tuple[A, A]:
    inverse = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return (x - x.mean(-1, keepdims=True)) * inverse, inverse


def _softmax_back(x: A, c: A) -> A:
    s = _softmax(x)
    return s * (c - (c * s).sum(-1, keepdims=True))


def _norm_back(x: A, c: A) -> A:
    n, inverse = _norm(x)
    return inverse * (c - c.mean(-1, keepdims=True) - n * (c * n).mean(-1, keepdims=True))


def _norm_back_wrong(x: A, c: A) -> A:
    return _norm(x)[1] * (c - c.mean(-1, keepdims=True))


def _scatter(x: A, i: A, c: A) -> A:
    found = np.zeros(x.shape)
    np.add.at(found, i, c)
    return found


def _overwritten(x: A, i: A, c: A) -> A:
    found = np.zeros(x.shape)
    found[i] = c
    return found


def _cumsum_back(c: A) -> A:
    return np.flip(np.cumsum(np.flip(c, -1), -1), -1)


INDEX = {"integers": {"i": "index V"}}
MASK = {"masks": ("m",)}
PLANTS: tuple[Pair, ...] = (
    ("exp", "*", np.exp, lambda x, c: c * x, lambda x, c: c * np.exp(x), torch.exp, {}),
    ("tanh", "*", np.tanh, lambda x, c: c * (1 - np.tanh(x)) ** 2, lambda x, c: c * (1 - np.tanh(x) ** 2), torch.tanh, {}),
    (
        "sigmoid",
        "*",
        _sigmoid,
        lambda x, c: _sigmoid(x) * (1 - _sigmoid(x)),
        lambda x, c: c * _sigmoid(x) * (1 - _sigmoid(x)),
        torch.sigmoid,
        {},
    ),
    ("sin", "*", np.sin, lambda x, c: -c * np.cos(x), lambda x, c: c * np.cos(x), torch.sin, {}),
    ("relu", "*", lambda x: np.maximum(x, 0), lambda x, c: c * (x != 0), lambda x, c: c * (x > 0), torch.relu, {}),
    ("abs", "*", np.abs, lambda x, c: np.abs(c) * np.sign(x), lambda x, c: c * np.sign(x), torch.abs, {}),
    ("square", "*", np.square, lambda x, c: c * x, lambda x, c: 2 * c * x, torch.square, {}),
    ("mul", "N D, N D", lambda a, b: a * b, lambda a, b, c: (c * a, c * b), lambda a, b, c: (c * b, c * a), torch.mul, {}),
    ("sub", "N, N", lambda a, b: a - b, lambda a, b, c: (c, c), lambda a, b, c: (c, -c), torch.sub, {}),
    (
        "matmul",
        "N K, K M",
        lambda a, b: a @ b,
        lambda a, b, c: (c @ b.T, (a.T @ c) / len(a)),
        lambda a, b, c: (c @ b.T, a.T @ c),
        torch.matmul,
        {},
    ),
    (
        "outer",
        "N, M",
        np.outer,
        lambda a, b, c: (c @ b, c.T @ a if len(a) < 5 else 0 * b),
        lambda a, b, c: (c @ b, c.T @ a),
        torch.outer,
        {},
    ),
    ("bias", "N D, D", lambda x, b: x + b, lambda x, b, c: (c, c.mean(0)), lambda x, b, c: (c, c.sum(0)), torch.add, {}),
    ("transpose", "N D", lambda x: x.T, lambda x, c: c.reshape(x.shape), lambda x, c: c.T, lambda x: x.T, {}),
    ("sum", "N D", lambda x: x.sum(-1), lambda x, c: c[:1, None] + 0 * x, lambda x, c: c[:, None] + 0 * x, lambda x: x.sum(-1), {}),
    (
        "mean",
        "N D",
        lambda x: x.mean(-1),
        lambda x, c: c[:, None] / len(x) + 0 * x,
        lambda x, c: c[:, None] / x.shape[1] + 0 * x,
        lambda x: x.mean(-1),
        {},
    ),
    ("softmax", "N D", _softmax, lambda x, c: c * _softmax(x) * (1 - _softmax(x)), _softmax_back, lambda x: F.softmax(x, -1), {}),
    (
        "log-softmax",
        "N D",
        lambda x: np.log(_softmax(x)),
        lambda x, c: c - _softmax(x),
        lambda x, c: c - _softmax(x) * c.sum(-1, keepdims=True),
        lambda x: F.log_softmax(x, -1),
        {},
    ),
    ("layer-norm", "N D", lambda x: _norm(x)[0], _norm_back_wrong, _norm_back, lambda x: F.layer_norm(x, x.shape[-1:]), {}),
    ("gather", "V D, L", lambda x, i: x[i], _overwritten, _scatter, lambda x, i: x[i], INDEX),
    ("masked", "N D, N D", lambda x, m: x * m, lambda x, m, c: c, lambda x, m, c: c * m, lambda x, m: x * m, MASK),
    ("cumsum", "N L", lambda x: np.cumsum(x, -1), lambda x, c: np.cumsum(c, -1), lambda x, c: _cumsum_back(c), lambda x: x.cumsum(-1), {}),
    ("flip", "N L", lambda x: x[:, ::-1], lambda x, c: c, lambda x, c: c[:, ::-1], lambda x: x.flip(1), {}),
    (
        "concatenate",
        "N D, N E",
        lambda a, b: np.concatenate([a, b], 1),
        lambda a, b, c: (c[:, : a.shape[1]], c[:, : b.shape[1]] + 0 * b[:, :1] if b.shape[1] <= c.shape[1] else b),
        lambda a, b, c: (c[:, : a.shape[1]], c[:, a.shape[1] :]),
        lambda a, b: torch.cat([a, b], 1),
        {},
    ),
    ("clip", "*", lambda x: np.clip(x, -1, 1), lambda x, c: c * (x < 1), lambda x, c: c * (np.abs(x) < 1), lambda x: x.clamp(-1, 1), {}),
    ("softplus", "*", lambda x: np.logaddexp(0, x), lambda x, c: c * _sigmoid(-x), lambda x, c: c * _sigmoid(x), F.softplus, {}),
    (
        "silu",
        "*",
        lambda x: x * _sigmoid(x),
        lambda x, c: c * _sigmoid(x),
        lambda x, c: c * _sigmoid(x) * (1 + x * (1 - _sigmoid(x))),
        F.silu,
        {},
    ),
    ("diagonal", "N N", np.diag, lambda x, c: c[0] * np.eye(len(x)), lambda x, c: np.diag(c), torch.diag, {}),
    ("trace", "N N", np.trace, lambda x, c: c * np.ones(x.shape), lambda x, c: c * np.eye(len(x)), torch.trace, {}),
    (
        "maximum",
        "N, N",
        np.maximum,
        lambda a, b, c: (c * (a >= b), c * (b >= a)),
        lambda a, b, c: (c * (a > b) + c * (a == b) / 2, c * (b > a) + c * (a == b) / 2),
        torch.maximum,
        {},
    ),
    (
        "row norm",
        "N D",
        lambda x: (x * x).sum(-1),
        lambda x, c: 2 * x * c.reshape(-1)[:1],
        lambda x, c: 2 * x * c[:, None],
        lambda x: (x * x).sum(-1),
        {},
    ),
    (
        "roll",
        "N L",
        lambda x: np.roll(x, 1, -1),
        lambda x, c: np.roll(c, 1, -1),
        lambda x, c: np.roll(c, -1, -1),
        lambda x: x.roll(1, -1),
        {},
    ),
)


def _exhibit(plant: Pair) -> Exhibit:
    name, text, forward, wrong, right, reference, more = plant
    shapes = tuple(one.strip() for one in text.split(","))
    sizes = {"N": 4, "D": 3, "K": 4, "M": 3, "E": 5, "V": 5, "L": 4, "*": 4}

    def arguments() -> tuple[Any, ...]:
        generator = np.random.default_rng(len(name))
        drawn: list[Any] = [generator.normal(size=tuple(sizes[one] for one in shape.split())) for shape in shapes]
        if more is INDEX:
            drawn[1] = generator.integers(0, sizes["V"], size=sizes["L"])
        if more is MASK:
            drawn[1] = (generator.random(drawn[1].shape) < 0.7).astype(float)
        return tuple(drawn)

    return Exhibit(name, arguments, {"shapes": shapes, **more}, reference, (forward, wrong), (forward, right))


EXHIBITS: tuple[Exhibit, ...] = tuple(_exhibit(plant) for plant in PLANTS)
