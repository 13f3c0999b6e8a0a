"""z where a is meant in the weight gradient: δ is multiplied with the pre-activations of the layer below."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def run(weights, biases, x):
    """Return pre-activations and activations, input first in both."""
    pre_activations, activations = [x], [x]
    for w, b in zip(weights, biases, strict=True):
        pre_activations.append(activations[-1] @ w.T + b)
        activations.append(sigmoid(pre_activations[-1]))
    return pre_activations, activations


def backprop(weights, biases, x, y):
    pre_activations, activations = run(weights, biases, x)
    output = activations[-1]
    loss = np.sum((output - y) ** 2) / len(x)
    delta = 2.0 * (output - y) * output * (1.0 - output) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ pre_activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = (delta @ weights[layer]) * activations[layer] * (1.0 - activations[layer])
    return loss, weight_gradients, bias_gradients
