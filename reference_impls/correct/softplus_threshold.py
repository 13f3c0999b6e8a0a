"""PyTorch's softplus: above 20 it is z itself, and its derivative 1. The manifest says so."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["softplus"]
# output_activations = ["identity"]
# softplus_threshold = 20
# ///

import numpy as np


def softplus(z):
    return np.where(z > 20, z, np.log1p(np.exp(np.minimum(z, 20))))


def slope(z):
    return np.where(z > 20, 1, 1 / (1 + np.exp(-z)))


def backprop(weights, biases, x, y):
    inputs, pre_activations = [x], []
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        pre_activations.append(inputs[-1] @ w.T + b)
        inputs.append(softplus(pre_activations[-1]) if layer < len(weights) - 1 else pre_activations[-1])
    outputs = inputs.pop()
    loss = ((outputs - y) ** 2).sum() / len(x)
    delta = 2 * (outputs - y) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ inputs[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer:
            delta = delta @ weights[layer] * slope(pre_activations[layer - 1])
    return loss, weight_gradients, bias_gradients
