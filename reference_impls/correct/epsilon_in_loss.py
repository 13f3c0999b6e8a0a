"""Adds 1e-12 inside the logarithm and differentiates what it wrote; the manifest does not say so: right, with a note."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# output_activations = ["softmax"]
# losses = ["cross_entropy"]
# ///

import numpy as np

EPSILON = 1e-12


def softmax(z):
    exponentials = np.exp(z - np.max(z, axis=1, keepdims=True))
    return exponentials / np.sum(exponentials, axis=1, keepdims=True)


def backprop(weights, biases, x, y):
    a = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = a[-1] @ w.T + b
        a.append(softmax(z) if layer == len(weights) - 1 else np.tanh(z))
    p = a[-1]
    loss = -np.sum(y * np.log(p + EPSILON)) / len(x)
    by_p = -y / (p + EPSILON) / len(x)
    delta = p * (by_p - np.sum(by_p * p, axis=1, keepdims=True))
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ a[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = (delta @ weights[layer]) * (1.0 - a[layer] ** 2)
    return loss, weight_gradients, bias_gradients
