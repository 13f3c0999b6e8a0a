"""ReLU' is left out at the output layer: hidden layers have their mask, the last one passes its error on as it is."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["relu"]
# losses = ["half_squared_error"]
# ///

import numpy as np


def backprop(weights, biases, x, y):
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        z = activations[-1] @ w.T + b
        activations.append(np.maximum(z, 0.0))
    error = activations[-1] - y
    loss = 0.5 * np.sum(error**2) / len(x)
    delta = error / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = (delta @ weights[layer]) * (activations[layer] > 0)
    return loss, weight_gradients, bias_gradients
