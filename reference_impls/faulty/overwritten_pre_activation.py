"""The activation is computed in place, so the stored z is a by the time of the backward pass: tanh' is taken of tanh(z)."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# losses = ["squared_error"]
# ///

import numpy as np


def backprop(weights, biases, x, y):
    pre_activations, activations = [], [x]
    for w, b in zip(weights, biases, strict=True):
        z = activations[-1] @ w.T + b
        pre_activations.append(z)
        activations.append(np.tanh(z, out=z))
    loss = np.sum((activations[-1] - y) ** 2) / len(x)
    upward = 2.0 * (activations[-1] - y) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        delta = upward * (1.0 - np.tanh(pre_activations[layer]) ** 2)
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        upward = delta @ weights[layer]
    return loss, weight_gradients, bias_gradients
