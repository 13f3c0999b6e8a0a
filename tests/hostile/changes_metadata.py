"""Changes modes, times, owners and attributes of files, its own among them.

Expected: pass
Held by: system calls
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
    open("mine", "w").close()
    for path in (__file__, "mine", ".", "/tmp"):
        refused(os.chmod, path, 0o777)
        refused(os.utime, path)
        refused(os.chown, path, os.getuid(), os.getgid())
        refused(os.setxattr, path, "user.verifier", b"breach")
        refused(os.removexattr, path, "user.verifier")
    refused(os.fchmod, os.open("mine", os.O_RDWR), 0o4777)
    refused(os.truncate, __file__, 0)


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
