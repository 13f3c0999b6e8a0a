"""The gradients are right, and `update` carries momentum from one call to the next."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# ///

import numpy as np

velocity = {}


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def run(weights, biases, x):
    """Return the activations, input first."""
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(sigmoid(activations[-1] @ w.T + b))
    return activations


def backprop(weights, biases, x, y):
    activations = run(weights, biases, x)
    output = activations[-1]
    loss = np.sum((output - y) ** 2) / len(x)
    delta = 2.0 * (output - y) * output * (1.0 - output) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = (delta @ weights[layer]) * activations[layer] * (1.0 - activations[layer])
    return loss, weight_gradients, bias_gradients


def update(weights, biases, x, y, learning_rate):
    _, weight_gradients, bias_gradients = backprop(weights, biases, x, y)
    shapes = tuple(w.shape for w in weights)
    kept = velocity.get(shapes, [0.0] * (2 * len(weights)))
    velocity[shapes] = [0.9 * v - learning_rate * g for v, g in zip(kept, weight_gradients + bias_gradients, strict=True)]
    stepped = [array + v for array, v in zip(weights + biases, velocity[shapes], strict=True)]
    return stepped[: len(weights)], stepped[len(weights) :]
