"""Weight decay shared by the batch: (1/B)(Σ cross-entropy + (λ/2) Σ w²), one logistic output; an online course's form."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["relu"]
# output_activations = ["sigmoid"]
# losses = ["binary_cross_entropy"]
# targets = "binary"
# l2 = 0.35
# l2_over_batch = true
# batch = "columns"
# bias = "column"
# ///

import numpy as np

LAMBDA = 0.7


def backprop(weights, biases, x, y):
    m = x.shape[1]
    a = [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
        z = np.dot(w, a[-1]) + b
        a.append(1 / (1 + np.exp(-z)) if layer == len(weights) else np.maximum(0, z))
    cross_entropy = np.sum(np.multiply(-np.log(a[-1]), y) + np.multiply(-np.log(1 - a[-1]), 1 - y)) / m
    decay = LAMBDA / (2 * m) * sum(np.sum(np.square(w)) for w in weights)
    d_weights, d_biases = [], []
    dz = a[-1] - y
    for layer in reversed(range(len(weights))):
        d_weights.append(1.0 / m * np.dot(dz, a[layer].T) + LAMBDA / m * weights[layer])
        d_biases.append(1.0 / m * np.sum(dz, axis=1, keepdims=True))
        dz = np.multiply(np.dot(weights[layer].T, dz), np.int64(a[layer] > 0))
    return cross_entropy + decay, d_weights[::-1], d_biases[::-1]
