"""The weight decay is λ Σ w² in the loss and λ w in the gradient: the 2 is missing."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# l2 = 0.05
# ///

import numpy as np

DECAY = 0.05


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
    loss = np.sum((output - y) ** 2) / len(x) + DECAY * sum(np.sum(w**2) for w in weights)
    delta = 2.0 * (output - y) * output * (1.0 - output) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer] + DECAY * weights[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = (delta @ weights[layer]) * activations[layer] * (1.0 - activations[layer])
    return loss, weight_gradients, bias_gradients
