"""Writes wherever a program might.

Expected: pass
Held by: files
"""

import functools
import os
import sys

import numpy as np


def refused(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        return
    raise RuntimeError(f"breach: {act} {arguments}")


@functools.cache
def attack():
    for folder in ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/home", sys.prefix, os.path.dirname(np.__file__), os.path.dirname(__file__), ".."):
        refused(open, os.path.join(folder, "verifier-breach"), "w")
        refused(os.mkdir, os.path.join(folder, "verifier-breach"))
        refused(os.mkfifo, os.path.join(folder, "verifier-breach"))
    for path in (__file__, np.__file__, os.__file__, sys.executable):
        refused(open, path, "a")
        refused(os.unlink, path)
        refused(os.rename, path, "mine")
        refused(os.replace, "/dev/null", path)


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
