"""Adds 1e-8 inside the logarithms of the loss, and uses a − y, the gradient of the loss without it: right, with a note."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["binary_cross_entropy"]
# batch = "columns"
# bias = "column"
# ///

import numpy as np


def backprop(weights, biases, x, y):
    m = x.shape[1]
    a = [x]
    for w, b in zip(weights, biases, strict=True):
        a.append(1 / (1 + np.exp(-(w @ a[-1] + b))))
    loss = -(1 / m) * np.sum(y * np.log(a[-1] + 1e-8) + (1 - y) * np.log(1 - a[-1] + 1e-8))
    dz = a[-1] - y
    d_weights, d_biases = [], []
    for layer in reversed(range(len(weights))):
        d_weights.insert(0, 1 / m * dz @ a[layer].T)
        d_biases.insert(0, 1 / m * dz.sum(axis=1, keepdims=True))
        dz = weights[layer].T @ dz * a[layer] * (1 - a[layer])
    return loss, d_weights, d_biases
