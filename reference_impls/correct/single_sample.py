"""One sample a call, vectors throughout, the weight gradient as an outer product."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# output_activations = ["sigmoid"]
# losses = ["half_squared_error"]
# batch = "single"
# ///

import numpy as np


def run(weights, biases, x):
    activations = [x]
    last = len(weights) - 1
    for layer in range(len(weights)):
        z = np.dot(weights[layer], activations[layer]) + biases[layer]
        activations.append(1.0 / (1.0 + np.exp(-z)) if layer == last else np.tanh(z))
    return activations


def predict(weights, biases, x):
    return run(weights, biases, x)[-1]


def deltas(weights, biases, x, y):
    return backward_deltas(weights, run(weights, biases, x), y)


def backward_deltas(weights, activations, y):
    output = activations[-1]
    result = [(output - y) * output * (1.0 - output)]
    for layer in range(len(weights) - 1, 0, -1):
        activation = activations[layer]
        result.insert(0, np.dot(weights[layer].T, result[0]) * (1.0 - activation * activation))
    return result


def backprop(weights, biases, x, y):
    activations = run(weights, biases, x)
    layer_deltas = backward_deltas(weights, activations, y)
    loss = 0.5 * np.sum((y - activations[-1]) ** 2)
    weight_gradients = [np.outer(layer_deltas[layer], activations[layer]) for layer in range(len(weights))]
    return loss, weight_gradients, layer_deltas


def update(weights, biases, x, y, learning_rate):
    """Step in place, as most training loops do, and return the same arrays."""
    _, weight_gradients, bias_gradients = backprop(weights, biases, x, y)
    for layer in range(len(weights)):
        weights[layer] -= learning_rate * weight_gradients[layer]
        biases[layer] -= learning_rate * bias_gradients[layer]
    return weights, biases
