"""No backpropagation at all: central differences of the loss, with the six to ten right digits that those give."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# max_layers = 3
# max_width = 4
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def mean_loss(weights, biases, x, y):
    for w, b in zip(weights, biases, strict=True):
        x = sigmoid(x @ w.T + b)
    return np.sum((x - y) ** 2) / len(y)


def backprop(weights, biases, x, y, step=1e-5):
    gradients = []
    for array in weights + biases:
        gradient = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + step
            above = mean_loss(weights, biases, x, y)
            array[index] = kept - step
            below = mean_loss(weights, biases, x, y)
            array[index] = kept
            gradient[index] = (above - below) / (2.0 * step)
        gradients.append(gradient)
    return mean_loss(weights, biases, x, y), gradients[: len(weights)], gradients[len(weights) :]
