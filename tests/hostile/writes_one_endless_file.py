"""Makes one file that is larger than its limit, by writing, stretching and reserving.

Expected: pass
Held by: limits
"""

import functools
import os

import numpy as np


def refused(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        return
    raise RuntimeError(f"breach: {act} {arguments}")


@functools.cache
def attack():
    with open("file", "wb") as file:
        refused(file.truncate, 1 << 40)
        refused(os.posix_fallocate, file.fileno(), 0, 1 << 34)
        refused(os.pwrite, file.fileno(), b"x", 1 << 30)
    os.unlink("file")


def backprop(weights, biases, x, y):
    attack()
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
