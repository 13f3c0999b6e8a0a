"""The plain reference: one matrix product a layer, samples in rows, sigmoid and squared error.

Beside `backprop` it has every optional function: `predict`, `forward`, `deltas` and `update`.
"""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["sigmoid"]
# losses = ["squared_error"]
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def forward(weights, biases, x):
    """Return (pre_activations, activations), one entry a layer."""
    pre_activations, activations = [], []
    activation = x
    for w, b in zip(weights, biases, strict=True):
        z = activation @ w.T + b
        activation = sigmoid(z)
        pre_activations.append(z)
        activations.append(activation)
    return pre_activations, activations


def predict(weights, biases, x):
    return forward(weights, biases, x)[1][-1]


def _deltas(weights, activations, y):
    output = activations[-1]
    delta = 2.0 * (output - y) / len(y) * output * (1.0 - output)
    deltas = [delta]
    for w, activation in zip(weights[:0:-1], activations[-2::-1], strict=True):
        delta = (delta @ w) * activation * (1.0 - activation)
        deltas.append(delta)
    return deltas[::-1]


def deltas(weights, biases, x, y):
    """Return the derivative of the mean loss by each pre-activation."""
    return _deltas(weights, forward(weights, biases, x)[1], y)


def backprop(weights, biases, x, y):
    """Return (loss, weight_gradients, bias_gradients)."""
    _, activations = forward(weights, biases, x)
    loss = np.sum((y - activations[-1]) ** 2) / len(y)
    layer_deltas = _deltas(weights, activations, y)
    layer_inputs = [x, *activations[:-1]]
    weight_gradients = [delta.T @ a for delta, a in zip(layer_deltas, layer_inputs, strict=True)]
    bias_gradients = [delta.sum(axis=0) for delta in layer_deltas]
    return loss, weight_gradients, bias_gradients


def update(weights, biases, x, y, learning_rate):
    """Return (weights, biases) after one step of gradient descent."""
    _, weight_gradients, bias_gradients = backprop(weights, biases, x, y)
    new_weights = [w - learning_rate * g for w, g in zip(weights, weight_gradients, strict=True)]
    new_biases = [b - learning_rate * g for b, g in zip(biases, bias_gradients, strict=True)]
    return new_weights, new_biases
