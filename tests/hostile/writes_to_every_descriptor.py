"""Writes nonsense to every descriptor.

Expected: error; sent something else than an answer over its private channel
Held by: the boundary
"""

import contextlib
import os

import numpy as np


def backprop(weights, biases, x, y):
    for number in range(1 << 12):
        with contextlib.suppress(OSError):
            os.write(number, b"nonsense, not a frame at all")
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ w.T + b))))
    out = activations[-1]
    delta = 2 * (out - y) / len(x) * out * (1 - out)
    weight_gradients, bias_gradients = [], []
    for w, a in zip(weights[::-1], activations[-2::-1], strict=True):
        weight_gradients.insert(0, delta.T @ a)
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = delta @ w * a * (1 - a)
    return np.sum((out - y) ** 2) / len(x), weight_gradients, bias_gradients
