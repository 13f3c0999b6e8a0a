"""Single precision from end to end, and declared so; the loss is averaged over samples and outputs, as `np.mean` does."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# output_activations = ["identity"]
# losses = ["squared_error"]
# reduction = "mean_all"
# dtypes = ["float32"]
# ///

import numpy as np


def backprop(weights, biases, x, y):
    stored = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = stored[-1] @ w.T + b
        stored.append(np.tanh(z) if layer < len(weights) - 1 else z)
    residual = stored[-1] - y
    loss = np.mean(residual**2)
    delta = np.float32(2.0 / residual.size) * residual
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ stored[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = (delta @ weights[layer]) * (1 - stored[layer] ** 2)
    return loss, weight_gradients, bias_gradients
