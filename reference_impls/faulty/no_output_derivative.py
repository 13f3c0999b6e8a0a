"""No σ' at the output: δ of the last layer is the error alone, though that layer is a tanh under a squared error."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# losses = ["half_squared_error"]
# ///

import numpy as np


def backprop(weights, biases, x, y):
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        z = activations[-1] @ w.T + b
        activations.append(np.tanh(z))
    error = activations[-1] - y
    loss = 0.5 * np.sum(error**2) / len(x)
    delta = error / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = (delta @ weights[layer]) * (1.0 - activations[layer] ** 2)
    return loss, weight_gradients, bias_gradients
