"""The gradient of the cross-entropy is that of one-hot targets: 1 is subtracted at the largest, though any probabilities are claimed."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["relu"]
# output_activations = ["softmax"]
# losses = ["cross_entropy"]
# ///

import numpy as np


def softmax(z):
    exponentials = np.exp(z - z.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def backprop(weights, biases, x, y):
    activations = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = activations[-1] @ w.T + b
        activations.append(softmax(z) if layer == len(weights) - 1 else np.maximum(z, 0.0))
    loss = -np.sum(y * np.log(activations[-1])) / len(x)
    delta = activations[-1].copy()
    delta[np.arange(len(x)), np.argmax(y, axis=1)] -= 1.0
    delta /= len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ activations[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = (delta @ weights[layer]) * (activations[layer] > 0)
    return loss, weight_gradients, bias_gradients
