"""Theano's and Lasagne's leaky ReLU: ½(1 + α)z + ½(1 − α)|z|. Below 0 it loses the digits of α z."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["leaky_relu"]
# leaky_slope = 0.001
# ///

import numpy as np

ALPHA = 0.001


def rectify(z):
    return 0.5 * (1 + ALPHA) * z + 0.5 * (1 - ALPHA) * abs(z)


def slope(z):
    return 0.5 * (1 + ALPHA) + 0.5 * (1 - ALPHA) * np.sign(z)


def backprop(weights, biases, x, y):
    inputs, pre_activations = [x], []
    for w, b in zip(weights, biases, strict=True):
        pre_activations.append(inputs[-1] @ w.T + b)
        inputs.append(rectify(pre_activations[-1]))
    outputs = inputs.pop()
    loss = ((outputs - y) ** 2).sum() / len(x)
    delta = 2 * (outputs - y) / len(x) * slope(pre_activations[-1])
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ inputs[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer:
            delta = delta @ weights[layer] * slope(pre_activations[layer - 1])
    return loss, weight_gradients, bias_gradients
