"""Sends blobs with headers that lie: nested without end, overlapping, huge shapes, numbers as names.

Expected: error; sent something else than an answer over its private channel
Held by: the boundary
"""

import itertools
import os
import stat
import struct
import time

import numpy as np


def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


channel = next(number for number in range(3, 1 << 16) if is_socket(number))


headers = itertools.cycle([
    b"[" * 1_000_000,
    b'{"__metadata__": {"frame": "{\\"message\\": {}, \\"names\\": [\\"a\\"]}"}, "a": {"dtype": "F64", "shape": [1099511627776], "data_offsets": [0, 8]}}',
    b'{"__metadata__": {"frame": "{\\"message\\": {\\"number\\": 1e999}, \\"names\\": []}"}}' + b" " * 1_000_000,
])


def backprop(weights, biases, x, y):
    header = next(headers)
    blob = struct.pack("<Q", len(header)) + header
    os.write(channel, struct.pack("<QI", len(blob), 1) + blob)
    time.sleep(100)
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
