"""Looks for secrets in the environment: its own, and what the kernel kept of the process it was forked from.

Expected: pass
Held by: a clean environment
"""

import contextlib
import functools
import os

import numpy as np


ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))  # where a checkout lies is no secret


@functools.cache
def attack():
    kept = repr(os.environ) + repr(os.environb)
    with contextlib.suppress(PermissionError):  # the kernel keeps it from an ordinary user already
        kept += open("/proc/self/environ", "rb").read().decode()
    for word in ("VERIFIER_SECRET", "PYTEST", "TOKEN", "PYTHONPATH=", "SSH_"):
        if word in kept.replace("PYTHONPATH=" + ROOT, ""):
            raise RuntimeError(f"breach: {word} in the environment")


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
