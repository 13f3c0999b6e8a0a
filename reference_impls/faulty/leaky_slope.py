"""Two slopes: leaky ReLU has 0.01 in the forward pass and 0.1 in the backward pass."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["leaky_relu"]
# output_activations = ["identity"]
# losses = ["half_squared_error"]
# ///

import numpy as np


def backprop(weights, biases, x, y):
    activations = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = activations[-1] @ w.T + b
        activations.append(z if layer == len(weights) - 1 else np.where(z > 0, z, 0.01 * z))
    error = activations[-1] - y
    loss = 0.5 * np.sum(error**2) / len(x)
    delta = error / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = (delta @ weights[layer]) * np.where(activations[layer] > 0, 1.0, 0.1)
    return loss, weight_gradients, bias_gradients
