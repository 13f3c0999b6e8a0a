"""Clips probabilities to [1e-7, 1 − 1e-7] inside the logarithm, declares it, and has derivative 0 beyond the clip."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["sigmoid"]
# losses = ["binary_cross_entropy"]
# clip_output = 1e-7
# ///

import numpy as np

CLIP = 1e-7


def backprop(weights, biases, x, y):
    a = [x]
    for w, b in zip(weights, biases, strict=True):
        a.append(1.0 / (1.0 + np.exp(-(a[-1] @ w.T + b))))
    p = np.clip(a[-1], CLIP, 1.0 - CLIP)
    loss = -np.sum(y * np.log(p) + (1.0 - y) * np.log(1.0 - p)) / len(x)
    inside = (a[-1] > CLIP) & (a[-1] < 1.0 - CLIP)
    by_output = np.where(inside, (p - y) / (p * (1.0 - p)), 0.0) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        delta = by_output * a[layer + 1] * (1.0 - a[layer + 1])
        weight_gradients.insert(0, delta.T @ a[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        by_output = delta @ weights[layer]
    return loss, weight_gradients, bias_gradients
