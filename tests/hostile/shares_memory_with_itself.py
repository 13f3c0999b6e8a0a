"""Puts memory where no limit of its own counts it: shared mappings that are written and put aside, and memory that it then may not write.

Expected: pass
Held by: files, system calls
"""

import functools
import mmap
import os

import numpy as np


@functools.cache
def attack():
    try:
        mmap.mmap(-1, 1 << 20, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    except OSError:
        pass
    else:
        raise RuntimeError("breach: anonymous memory that is shared")
    try:
        zero = os.open("/dev/zero", os.O_RDONLY)
        mmap.mmap(zero, 1 << 20, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
    except OSError:
        return
    raise RuntimeError("breach: /dev/zero, shared")


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
