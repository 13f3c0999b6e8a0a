"""The softmax is normalised over the whole batch: `np.sum` without an axis. One sample at a time it is right."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# output_activations = ["softmax"]
# losses = ["cross_entropy"]
# ///

import numpy as np


def softmax(z):
    exponentials = np.exp(z - np.max(z))
    return exponentials / np.sum(exponentials)


def backprop(weights, biases, x, y):
    activations = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = activations[-1] @ w.T + b
        activations.append(softmax(z) if layer == len(weights) - 1 else np.tanh(z))
    loss = -np.sum(y * np.log(activations[-1])) / len(x)
    delta = (activations[-1] - y) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = (delta @ weights[layer]) * (1.0 - activations[layer] ** 2)
    return loss, weight_gradients, bias_gradients
