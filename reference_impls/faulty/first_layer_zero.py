"""The loop stops one layer early: the first layer's gradients keep the zeros that they began with."""

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


def backprop(weights, biases, x, y):
    activations = run(weights, biases, x)
    output = activations[-1]
    loss = np.sum((output - y) ** 2) / len(x)
    delta = 2.0 * (output - y) * output * (1.0 - output) / len(x)
    weight_gradients = [np.zeros_like(w) for w in weights]
    bias_gradients = [np.zeros_like(b) for b in biases]
    for layer in range(len(weights) - 1, 0, -1):
        weight_gradients[layer] = delta.T @ activations[layer]
        bias_gradients[layer] = delta.sum(axis=0)
        delta = (delta @ weights[layer]) * activations[layer] * (1.0 - activations[layer])
    return loss, weight_gradients, bias_gradients
