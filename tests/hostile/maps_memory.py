"""Maps more memory than it may have: anonymous, shared, and by a file.

Expected: pass
Held by: system calls
"""

import functools
import mmap

import numpy as np


def refused(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        return
    raise RuntimeError(f"breach: {act} {arguments}")


@functools.cache
def attack():
    for flags in (mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS):
        refused(mmap.mmap, -1, 4 << 30, flags)
    kept = []
    try:
        while True:
            kept.append(mmap.mmap(-1, 64 << 20))
    except OSError:
        if len(kept) > 40:
            raise RuntimeError(f"breach: {len(kept) * 64} MiB") from None


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
