"""ReLU' is 1 everywhere: the backward pass lets the gradient through dead units."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["relu"]
# output_activations = ["identity"]
# losses = ["half_squared_error"]
# ///

import numpy as np


def backprop(weights, biases, x, y):
    activations = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = activations[-1] @ w.T + b
        activations.append(z if layer == len(weights) - 1 else np.maximum(z, 0.0))
    error = activations[-1] - y
    loss = 0.5 * np.sum(error**2) / len(x)
    delta = error / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = (delta @ weights[layer]) * np.ones_like(activations[layer])
    return loss, weight_gradients, bias_gradients
