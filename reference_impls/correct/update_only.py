"""Only a training step, with a constant learning rate: gradients are never returned, and must be read from the step."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["half_squared_error"]
# reduction = "sum"
# weight_layout = "in_out"
# learning_rate = 0.5
# ///

import numpy as np

LEARNING_RATE = 0.5


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def update(weights, biases, x, y, learning_rate):
    """One step at LEARNING_RATE, which the manifest states: `learning_rate` is not used."""
    layers = [x]
    for w, b in zip(weights, biases, strict=True):
        layers.append(sigmoid(layers[-1].dot(w) + b))
    error = y - layers[-1]
    corrections = []
    for layer in range(len(weights) - 1, -1, -1):
        delta = error * layers[layer + 1] * (1 - layers[layer + 1])
        corrections.append((layer, layers[layer].T.dot(delta), delta.sum(axis=0)))
        error = delta.dot(weights[layer].T)
    for layer, by_weight, by_bias in corrections:
        weights[layer] += LEARNING_RATE * by_weight
        biases[layer] += LEARNING_RATE * by_bias
    return weights, biases
