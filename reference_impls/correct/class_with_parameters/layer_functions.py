"""Activations and their derivatives, by name; the network's only neighbour."""

import numpy as np


def activate(name, z):
    if name == "tanh":
        return np.tanh(z)
    if name == "relu":
        return np.maximum(0, z)
    return z.copy()


def activate_backward(name, gradient, z):
    if name == "tanh":
        return gradient * (1 - np.tanh(z) ** 2)
    if name == "relu":
        gradient = gradient.copy()
        gradient[z <= 0] = 0
        return gradient
    return gradient
