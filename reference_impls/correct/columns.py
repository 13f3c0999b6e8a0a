"""Samples in columns, biases as columns, as in many courses; six activations, mixed freely, and three losses."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["sigmoid", "tanh", "relu", "leaky_relu", "softplus", "identity"]
# losses = ["squared_error", "half_squared_error", "binary_cross_entropy"]
# batch = "columns"
# bias = "column"
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


# name: (activation of z, its derivative by z and a)
ACTIVATIONS = {
    "sigmoid": (sigmoid, lambda z, a: a * (1.0 - a)),
    "tanh": (np.tanh, lambda z, a: 1.0 - a**2),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z, a: (z > 0) * 1.0),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z, a: np.where(z > 0, 1.0, 0.01)),
    "softplus": (lambda z: np.logaddexp(0.0, z), lambda z, a: sigmoid(z)),
    "identity": (lambda z: z, lambda z, a: np.ones_like(z)),
}


def binary_cross_entropy(a, y):
    return -np.sum(y * np.log(a) + (1.0 - y) * np.log(1.0 - a))


# name: (sum of the loss over the batch, its derivative by the output)
LOSSES = {
    "squared_error": (lambda a, y: np.sum((y - a) ** 2), lambda a, y: -2.0 * (y - a)),
    "half_squared_error": (lambda a, y: 0.5 * np.sum((y - a) ** 2), lambda a, y: a - y),
    "binary_cross_entropy": (binary_cross_entropy, lambda a, y: (a - y) / (a * (1.0 - a))),
}


def forward(weights, biases, x, activations):
    pre_activations, outputs = [], []
    for w, b, name in zip(weights, biases, activations, strict=True):
        x = w @ x + b
        pre_activations.append(x)
        x = ACTIVATIONS[name][0](x)
        outputs.append(x)
    return pre_activations, outputs


def backprop(weights, biases, x, y, activations, loss):
    batch = x.shape[1]
    pre_activations, outputs = forward(weights, biases, x, activations)
    value, by_output = LOSSES[loss]
    delta = by_output(outputs[-1], y) * ACTIVATIONS[activations[-1]][1](pre_activations[-1], outputs[-1])
    weight_gradients, bias_gradients = [], []
    for layer in range(len(weights) - 1, -1, -1):
        below = outputs[layer - 1] if layer else x
        weight_gradients.append(np.dot(delta, below.T) / batch)
        bias_gradients.append(np.sum(delta, axis=1, keepdims=True) / batch)
        if layer:
            derivative = ACTIVATIONS[activations[layer - 1]][1]
            delta = np.dot(weights[layer].T, delta) * derivative(pre_activations[layer - 1], below)
    return value(outputs[-1], y) / batch, weight_gradients[::-1], bias_gradients[::-1]
