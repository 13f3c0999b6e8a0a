"""Other orders of summation: einsum where it multiplies, exactly rounded sums over the batch, last sample first."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["sigmoid", "softplus"]
# losses = ["half_squared_error"]
# max_width = 12
# ///

import math

import numpy as np


def exact_sum(products):
    """Sum over the first axis, last entry first, rounded once."""
    flat = products[::-1].reshape(len(products), -1)
    return np.array([math.fsum(column) for column in flat.T]).reshape(products.shape[1:])


def activate(name, z):
    return np.log(1.0 + np.exp(z)) if name == "softplus" else 0.5 * (1.0 + np.tanh(0.5 * z))


def derivative(name, z, a):
    return 1.0 / (1.0 + np.exp(-z)) if name == "softplus" else a * (1.0 - a)


def backprop(weights, biases, x, y, activations):
    zs, outputs = [], [x]
    for w, b, name in zip(weights, biases, activations, strict=True):
        zs.append(np.einsum("oi,bi->bo", w, outputs[-1]) + b)
        outputs.append(activate(name, zs[-1]))
    loss = math.fsum(((y - outputs[-1]) ** 2).ravel()) / (2 * len(x))
    upward = outputs[-1] - y
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        delta = upward * derivative(activations[layer], zs[layer], outputs[layer + 1])
        weight_gradients.append(exact_sum(np.einsum("bo,bi->boi", delta, outputs[layer])) / len(x))
        bias_gradients.append(exact_sum(delta) / len(x))
        upward = np.einsum("bo,oi->bi", delta, weights[layer])
    return loss, weight_gradients[::-1], bias_gradients[::-1]
