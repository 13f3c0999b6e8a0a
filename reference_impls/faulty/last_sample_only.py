"""Only the last sample counts: the loop over the batch assigns the gradients where it should add to them."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# reduction = "sum"
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def backprop(weights, biases, x, y):
    weight_gradients = [np.zeros_like(w) for w in weights]
    bias_gradients = [np.zeros_like(b) for b in biases]
    loss = 0.0
    for sample, target in zip(x, y, strict=True):
        activations = [sample]
        for w, b in zip(weights, biases, strict=True):
            activations.append(sigmoid(w @ activations[-1] + b))
        loss += np.sum((activations[-1] - target) ** 2)
        delta = 2.0 * (activations[-1] - target) * activations[-1] * (1.0 - activations[-1])
        for layer in reversed(range(len(weights))):
            weight_gradients[layer] = np.outer(delta, activations[layer])
            bias_gradients[layer] = delta
            delta = (weights[layer].T @ delta) * activations[layer] * (1.0 - activations[layer])
    return loss, weight_gradients, bias_gradients
