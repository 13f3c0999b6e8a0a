"""Reads the kernel's tables of the network, which show every connection of the machine, by each way that leads to them.

Expected: pass
Held by: files
"""

import functools
import threading

import numpy as np


@functools.cache
def attack():
    ways = ("self", "thread-self", f"self/task/{threading.get_native_id()}")
    for path in ("/proc/net/tcp", "/proc/net/dev", *(f"/proc/{way}/net/{table}" for way in ways for table in ("tcp", "dev"))):
        try:
            open(path).read()
        except PermissionError:
            continue
        raise RuntimeError(f"breach: {path}")


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
