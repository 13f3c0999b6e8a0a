"""Clips pre-activations to ±20 before the exponential, declares it, and has derivative 0 beyond the clip."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["sigmoid"]
# losses = ["half_squared_error"]
# clip_preactivation = 20.0
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-np.clip(z, -20.0, 20.0)))


def backprop(weights, biases, x, y):
    zs, a = [], [x]
    for w, b in zip(weights, biases, strict=True):
        zs.append(a[-1] @ w.T + b)
        a.append(sigmoid(zs[-1]))
    loss = 0.5 * np.sum((a[-1] - y) ** 2) / len(x)
    upward = (a[-1] - y) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        delta = upward * np.where(np.abs(zs[layer]) < 20.0, a[layer + 1] * (1.0 - a[layer + 1]), 0.0)
        weight_gradients.insert(0, delta.T @ a[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        upward = delta @ weights[layer]
    return loss, weight_gradients, bias_gradients
