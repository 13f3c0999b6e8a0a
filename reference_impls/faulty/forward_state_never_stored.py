"""The forward pass never stores its state: the backward pass reads the zeros of the constructor, so every gradient is zero."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


class Network:
    def __init__(self, weights, biases, batch):
        self.weights, self.biases = weights, biases
        self.activations = [np.zeros((batch, w.shape[1])) for w in weights] + [np.zeros((batch, weights[-1].shape[0]))]

    def feed_forward(self, x):
        activations = [x]  # a local name: self.activations is meant
        for w, b in zip(self.weights, self.biases, strict=True):
            activations.append(sigmoid(activations[-1] @ w.T + b))
        return activations[-1]

    def back_propagate(self, error):
        weight_gradients, bias_gradients = [], []
        for layer in reversed(range(len(self.weights))):
            delta = error * self.activations[layer + 1] * (1.0 - self.activations[layer + 1])
            weight_gradients.insert(0, delta.T @ self.activations[layer])
            bias_gradients.insert(0, delta.sum(axis=0))
            error = delta @ self.weights[layer]
        return weight_gradients, bias_gradients


def backprop(weights, biases, x, y):
    network = Network(weights, biases, len(x))
    output = network.feed_forward(x)
    loss = np.sum((output - y) ** 2) / len(x)
    return loss, *network.back_propagate(2.0 * (output - y) / len(x))
