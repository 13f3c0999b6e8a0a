"""Writes frames of its own into its channel, with a loss and the number of the question.

Expected: error; sent (more than its answers|something else)|0 weight gradients came back
Held by: the boundary
"""

import itertools
import json
import os
import stat
import struct

import numpy as np


from safetensors.numpy import save

def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


channel = next(number for number in range(3, 1 << 16) if is_socket(number))


numbers = itertools.count(1)


def backprop(weights, biases, x, y):
    message = {"results": [{"form": [None, [], []]}], "lines": [], "number": next(numbers)}
    blob = save({}, {"frame": json.dumps({"message": message, "names": []})})
    os.write(channel, struct.pack("<QI", len(blob), 1) + blob)
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
