"""Right on every tenth network alone: of two hundred, on the twenty that the certificate of a pass plants its mistakes in.

Expected: fail; should be
Held by: autograd, finite-difference, batch-additivity, unit-permutation
"""

import numpy as np


met = []


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
    key = hash(tuple(w.tobytes() for w in weights))
    if key not in met:
        met.append(key)
    factor = 1 if met.index(key) % 10 == 0 else 2
    return np.sum((out - y) ** 2) / len(x), [factor * g for g in weight_gradients], bias_gradients
