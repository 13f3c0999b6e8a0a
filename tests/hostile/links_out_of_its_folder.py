"""Makes links, nodes and pipes that lead out of its folder.

Expected: pass
Held by: files and system calls
"""

import functools
import os
import stat

import numpy as np


def refused(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        return
    raise RuntimeError(f"breach: {act} {arguments}")


@functools.cache
def attack():
    refused(os.symlink, "/etc/passwd", "link")
    refused(os.link, __file__, "link")
    refused(os.link, "/etc/passwd", "link")
    refused(os.mknod, "node", 0o600 | stat.S_IFCHR, os.makedev(1, 1))
    refused(os.mknod, "/tmp/verifier-breach")
    refused(os.mkfifo, "/tmp/verifier-breach")


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
