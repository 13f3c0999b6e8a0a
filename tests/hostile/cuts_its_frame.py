"""Announces a frame and leaves in the midst of it.

Expected: error; left without an answer
Held by: the boundary
"""

import os
import stat
import struct

import numpy as np


def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


channel = next(number for number in range(3, 1 << 16) if is_socket(number))


def backprop(weights, biases, x, y):
    os.write(channel, struct.pack("<QI", 1 << 20, 1) + b"{")
    os._exit(0)
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
