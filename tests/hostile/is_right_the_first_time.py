"""Answers right the first time it meets a network, and wrong when it is asked again.

Expected: fail; purity
Held by: purity, batch-additivity, unit-permutation
"""

import numpy as np


met = set()


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
    factor = 1 if key not in met else 2
    met.add(key)
    return np.sum((out - y) ** 2) / len(x), [factor * g for g in weight_gradients], bias_gradients
