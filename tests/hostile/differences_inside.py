"""No backpropagation: central differences of the loss, right to some nine digits.

Expected: fail; should be
Held by: finite-difference, autograd, batch-additivity, unit-permutation
"""

import numpy as np


def loss_of(weights, biases, x, y):
    for w, b in zip(weights, biases, strict=True):
        x = 1 / (1 + np.exp(-(x @ w.T + b)))
    return np.sum((x - y) ** 2) / len(y)


def backprop(weights, biases, x, y):
    gradients = []
    for array in weights + biases:
        gradient = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + 1e-6
            above = loss_of(weights, biases, x, y)
            array[index] = kept - 1e-6
            gradient[index] = (above - loss_of(weights, biases, x, y)) / 2e-6
            array[index] = kept
        gradients.append(gradient)
    return loss_of(weights, biases, x, y), gradients[: len(weights)], gradients[len(weights) :]
