"""Returns arrays that a thread changes while they are read.

Expected: fail|error; should be|sent something else
Held by: autograd, batch-additivity, unit-permutation, purity, finite-difference
"""

import threading
import time

import numpy as np


def scribble(array):
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        array *= 1.5


def backprop(weights, biases, x, y):
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
    for g in weight_gradients:
        threading.Thread(target=scribble, args=(g,), daemon=True).start()
    time.sleep(0.002)
    return np.sum((out - y) ** 2) / len(x), weight_gradients, bias_gradients
