"""No backpropagation: complex steps, right to the last digits. Its complex numbers tell.

Expected: pass; purity note: It uses complex numbers
Held by: purity
"""

import numpy as np


def loss_of(weights, biases, x, y):
    for w, b in zip(weights, biases, strict=True):
        x = 1 / (1 + np.exp(-(x @ w.T + b)))
    return np.sum((x - y) ** 2) / len(y)


def backprop(weights, biases, x, y):
    parameters = [array.astype(complex) for array in weights + biases]
    gradients = []
    for array in parameters:
        gradient = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            array[index] += 1e-30j
            gradient[index] = loss_of(parameters[: len(weights)], parameters[len(weights) :], x, y).imag / 1e-30
            array[index] -= 1e-30j
        gradients.append(gradient)
    return loss_of(weights, biases, x, y), gradients[: len(weights)], gradients[len(weights) :]
