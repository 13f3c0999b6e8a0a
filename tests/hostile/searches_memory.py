"""Searches its own memory for the oracle, its answers or another candidate's code.

Expected: pass
Held by: a zygote that knows nothing
"""

import functools
import gc
import sys

import numpy as np


@functools.cache
def attack():
    for module in sys.modules:
        if module.partition(".")[0] in ("torch", "hypothesis", "verifier.oracles", "msgspec"):
            raise RuntimeError(f"breach: {module} is loaded")
    for thing in gc.get_objects():
        if isinstance(thing, dict) and any(isinstance(key, str) and key.startswith(("reference", "scatter", "tolerance")) for key in list(thing)):
            if any(isinstance(value, np.ndarray) for value in list(thing.values())):
                raise RuntimeError("breach: answers in memory")
    frame = sys._getframe()
    while frame is not None:
        if any("oracle" in name or "reference" in name for name in frame.f_locals):
            raise RuntimeError("breach: answers in a frame")
        frame = frame.f_back


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
