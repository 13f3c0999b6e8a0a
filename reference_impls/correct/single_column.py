"""One sample a call as a column vector, half squared error: the shape of code of a well-known online book."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["half_squared_error"]
# batch = "single"
# bias = "column"
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def backprop(weights, biases, x, y):
    nabla_b = [np.zeros(b.shape) for b in biases]
    nabla_w = [np.zeros(w.shape) for w in weights]
    activation = x
    activations = [x]
    zs = []
    for b, w in zip(biases, weights, strict=True):
        z = np.dot(w, activation) + b
        zs.append(z)
        activation = sigmoid(z)
        activations.append(activation)
    delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
    nabla_b[-1] = delta
    nabla_w[-1] = np.dot(delta, activations[-2].transpose())
    for back in range(2, len(weights) + 1):
        delta = np.dot(weights[-back + 1].transpose(), delta) * sigmoid_prime(zs[-back])
        nabla_b[-back] = delta
        nabla_w[-back] = np.dot(delta, activations[-back - 1].transpose())
    loss = 0.5 * np.linalg.norm(activations[-1] - y) ** 2
    return loss, nabla_w, nabla_b
