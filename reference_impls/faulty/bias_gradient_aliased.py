"""δ lives in one buffer that is overwritten for each layer, and the bias gradients are that buffer: all become those of the first layer."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["half_squared_error"]
# batch = "single"
# sizes = [3, 3, 3]
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def backprop(weights, biases, x, y):
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(sigmoid(np.dot(w, activations[-1]) + b))
    output = activations[-1]
    delta = np.empty(3)
    delta[:] = (output - y) * output * (1.0 - output)
    weight_gradients, bias_gradients = [], []
    for layer in range(len(weights) - 1, -1, -1):
        weight_gradients.insert(0, np.outer(delta, activations[layer]))
        bias_gradients.insert(0, delta)
        if layer > 0:
            delta[:] = np.dot(weights[layer].T, delta) * activations[layer] * (1.0 - activations[layer])
    return 0.5 * np.sum((output - y) ** 2), weight_gradients, bias_gradients
