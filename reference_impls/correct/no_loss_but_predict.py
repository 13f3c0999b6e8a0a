"""Never computes a loss: `None` comes back, and `predict` lets the loss be computed from the outputs."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# losses = ["squared_error", "half_squared_error"]
# reduction = "sum"
# ///

import numpy as np


def predict(weights, biases, x):
    for w, b in zip(weights, biases, strict=True):
        x = np.tanh(x @ w.T + b)
    return x


def backprop(weights, biases, x, y, loss):
    def descend(layer, inputs):
        """Gradients of this layer and of those above it, and the derivative by the layer's inputs."""
        if layer == len(weights):
            return [], [], (2.0 if loss == "squared_error" else 1.0) * (inputs - y)
        outputs = np.tanh(inputs @ weights[layer].T + biases[layer])
        above_weights, above_biases, by_outputs = descend(layer + 1, outputs)
        delta = by_outputs * (1.0 - outputs**2)
        return [delta.T @ inputs, *above_weights], [delta.sum(axis=0), *above_biases], delta @ weights[layer]

    weight_gradients, bias_gradients, _ = descend(0, x)
    return None, weight_gradients, bias_gradients
