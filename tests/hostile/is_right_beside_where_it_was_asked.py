"""Right at points a little beside one that it knows, as differences ask for, and wrong where it is asked first.

Expected: fail; should be
Held by: autograd, finite-difference, purity, batch-additivity, unit-permutation
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
    knows = any(len(m) == len(weights) and all(a.shape == w.shape and np.abs(a - w).max() < 2 for a, w in zip(m, weights)) for m in met)
    met.append(weights)
    factor = 1 if knows else 2
    return np.sum((out - y) ** 2) / len(x), [factor * g for g in weight_gradients], bias_gradients
