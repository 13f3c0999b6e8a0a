"""Looks for secrets in the environment: its own, and what the kernel kept of the process it was forked from.

Expected: pass
Held by: a clean environment
"""

import contextlib
import functools
import os
import re

import numpy as np


def own_code(setting):
    """A checkout's folder, by which the zygote found its own code: where that lies is no secret."""
    return "" if os.path.isdir(os.path.join(setting[1], "verifier", "worker")) else setting[0]


@functools.cache
def attack():
    kept = repr(os.environ) + repr(os.environb)
    with contextlib.suppress(PermissionError):  # the kernel keeps it from an ordinary user already
        kept += open("/proc/self/environ", "rb").read().decode()
    for word in ("VERIFIER_SECRET", "PYTEST", "TOKEN", "PYTHONPATH=", "SSH_"):
        if word in re.sub(r"PYTHONPATH=([^\0:]*)(?=\0|$)", own_code, kept):
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
