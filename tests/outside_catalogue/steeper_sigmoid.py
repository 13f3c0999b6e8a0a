"""The forward pass uses a steeper sigmoid, σ(1.1 z), and the backward pass its right derivative."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def run(weights, biases, x):
    """Return the activations, input first."""
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(sigmoid(1.1 * (activations[-1] @ w.T + b)))
    return activations


def backprop(weights, biases, x, y):
    activations = run(weights, biases, x)
    output = activations[-1]
    loss = np.sum((output - y) ** 2) / len(x)
    delta = 2.0 * (output - y) * 1.1 * output * (1.0 - output) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        below = activations[layer]
        delta = (delta @ weights[layer]) * 1.1 * below * (1.0 - below)
    return loss, weight_gradients, bias_gradients
