"""Weights are updated before they carry δ down: each layer below steps by a gradient of the new weights above it.

There is no `backprop`: the two passes are one loop, as in many training scripts.
"""

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
        activations.append(sigmoid(activations[-1] @ w.T + b))
    return activations


def update(weights, biases, x, y, learning_rate):
    activations = run(weights, biases, x)
    output = activations[-1]
    delta = 2.0 * (output - y) * output * (1.0 - output) / len(x)
    for layer in reversed(range(len(weights))):
        weights[layer] -= learning_rate * delta.T @ activations[layer]
        biases[layer] -= learning_rate * delta.sum(axis=0)
        delta = (delta @ weights[layer]) * activations[layer] * (1.0 - activations[layer])
    return weights, biases
