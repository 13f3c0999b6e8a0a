"""Starts a shell, a set-uid program and Python itself.

Expected: pass
Held by: system calls
"""

import functools
import multiprocessing
import os
import subprocess
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
    refused(subprocess.run, ["/bin/sh", "-c", "echo breach > /tmp/verifier-breach"])
    refused(os.posix_spawn, "/bin/true", ["true"], {})
    refused(os.execv, "/bin/sh", ["sh", "-c", "exit 0"])
    refused(os.execv, sys.executable, [sys.executable, "-c", "0"])
    refused(multiprocessing.get_context("spawn").Process(target=print).start)
    if os.system("echo breach > /tmp/verifier-breach") in (0, 256):
        raise RuntimeError("breach: a shell ran")


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
