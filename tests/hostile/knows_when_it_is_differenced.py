"""Sees that it is being differenced (weights that moved a little), and then returns the loss that fits its wrong gradient.

Expected: fail; should be
Held by: finite-difference, autograd
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
    wrong = [2 * g for g in weight_gradients]
    for start, loss, gradient in met:
        if len(start) == len(weights) and all(s.shape == w.shape and np.abs(s - w).max() < 2 for s, w in zip(start, weights, strict=True)):
            moved = sum(np.sum(g * (w - s)) for g, w, s in zip(gradient, weights, start, strict=True))
            return loss + moved, wrong, bias_gradients
    met.append((weights, np.sum((out - y) ** 2) / len(x), wrong))
    return np.sum((out - y) ** 2) / len(x), wrong, bias_gradients
