"""A network object: parameters in a dictionary ("W1", "b1", …), a cache that the forward pass leaves for the backward pass."""

import numpy as np
from layer_functions import activate, activate_backward


class Network:
    """Keeps its parameters, what the last forward pass stored, and the last gradients."""

    def __init__(self, weights, biases, activations):
        self.parameters = {}
        self.gradients = {}
        self.cache = {}
        self.names = activations
        self.depth = len(weights)
        for number, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
            self.parameters[f"W{number}"] = w
            self.parameters[f"b{number}"] = b

    def forward(self, x):
        self.cache["A0"] = x
        for number in range(1, self.depth + 1):
            z = self.parameters[f"W{number}"] @ self.cache[f"A{number - 1}"] + self.parameters[f"b{number}"]
            self.cache[f"Z{number}"] = z
            self.cache[f"A{number}"] = activate(self.names[number - 1], z)
        return self.cache[f"A{self.depth}"]

    def loss(self, y):
        return np.sum((self.cache[f"A{self.depth}"] - y) ** 2) / (2 * y.shape[1])

    def backward(self, y):
        gradient = (self.cache[f"A{self.depth}"] - y) / y.shape[1]
        for number in range(self.depth, 0, -1):
            delta = activate_backward(self.names[number - 1], gradient, self.cache[f"Z{number}"])
            self.gradients[f"W{number}"] = delta @ self.cache[f"A{number - 1}"].T
            self.gradients[f"b{number}"] = delta.sum(axis=1, keepdims=True)
            gradient = self.parameters[f"W{number}"].T @ delta

    def step(self, learning_rate):
        for name, gradient in self.gradients.items():
            self.parameters[name] = self.parameters[name] - learning_rate * gradient

    def listed(self, values):
        numbers = range(1, self.depth + 1)
        return [values[f"W{number}"] for number in numbers], [values[f"b{number}"] for number in numbers]


def predict(weights, biases, x, activations):
    return Network(weights, biases, activations).forward(x)


def backprop(weights, biases, x, y, activations):
    network = Network(weights, biases, activations)
    network.forward(x)
    network.backward(y)
    return (network.loss(y), *network.listed(network.gradients))


def update(weights, biases, x, y, learning_rate, activations):
    network = Network(weights, biases, activations)
    network.forward(x)
    network.backward(y)
    network.step(learning_rate)
    return network.listed(network.parameters)
