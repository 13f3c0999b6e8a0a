"""Fills its scratch folder, many files at once.

Expected: error; wrote more than 8 MiB or 200 files into its scratch folder \(scratch limit\)
Held by: limits
"""

import itertools
import time

import numpy as np


def backprop(weights, biases, x, y):
    for number in itertools.count():
        with open(f"file{number % 100}", "ab") as file:
            file.write(bytes(1 << 20))
        time.sleep(0.002)
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
