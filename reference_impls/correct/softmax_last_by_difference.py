"""A softmax whose last entry is 1 less the others: exact to one part of 1, not to the last digits of a small probability."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# output_activations = ["softmax"]
# losses = ["cross_entropy"]
# ///

import numpy as np


def softmax(z):
    exponentials = np.exp(z - z.max(axis=1, keepdims=True))
    shares = exponentials / exponentials.sum(axis=1, keepdims=True)
    shares[:, -1] = 1 - shares[:, :-1].sum(axis=1)
    return shares


def backprop(weights, biases, x, y):
    outputs = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = outputs[-1] @ w.T + b
        outputs.append(np.tanh(z) if layer < len(weights) - 1 else softmax(z))
    loss = -np.where(y == 0, 0, y * np.log(outputs[-1])).sum() / len(x)
    delta = (outputs[-1] - y) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ outputs[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = delta @ weights[layer] * (1 - outputs[layer] ** 2)
    return loss, weight_gradients, bias_gradients
