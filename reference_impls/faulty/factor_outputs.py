"""Factor of the number of outputs: `np.mean` averages the loss over outputs too, the gradient divides by the batch size only.

Seen in a well-known library: invisible while there is one output.
"""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# reduction = "mean_all"
# ///

import numpy as np


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
    loss = np.mean((output - y) ** 2)
    delta = 2.0 * (output - y) * output * (1.0 - output) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = (delta @ weights[layer]) * activations[layer] * (1.0 - activations[layer])
    return loss, weight_gradients, bias_gradients
