"""Reads the memory, environment and descriptors of whoever started it, and of everybody else.

Expected: pass
Held by: files
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
    for process in (os.getppid(), 1, *range(2, 40_000, 7)):
        if process == os.getpid() or not os.path.exists(f"/proc/{process}"):
            continue
        for name in ("mem", "environ", "maps", "cmdline", "status"):
            refused(open, f"/proc/{process}/{name}", "rb")
        refused(os.listdir, f"/proc/{process}/fd")
    refused(os.listdir, "/proc")


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
