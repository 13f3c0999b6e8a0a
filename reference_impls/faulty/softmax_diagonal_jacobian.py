"""The Jacobian of the softmax is cut to its diagonal, p(1 − p), as if each output depended on its own pre-activation only."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# output_activations = ["softmax"]
# losses = ["half_squared_error"]
# ///

import numpy as np


def softmax(z):
    exponentials = np.exp(z - z.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def backprop(weights, biases, x, y):
    activations = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = activations[-1] @ w.T + b
        activations.append(softmax(z) if layer == len(weights) - 1 else np.tanh(z))
    error = activations[-1] - y
    loss = 0.5 * np.sum(error**2) / len(x)
    delta = error * activations[-1] * (1.0 - activations[-1]) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = (delta @ weights[layer]) * (1.0 - activations[layer] ** 2)
    return loss, weight_gradients, bias_gradients
