"""Losses on pre-softmax and pre-sigmoid values: the output layer is linear, the loss holds the rest."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh", "softplus"]
# output_activations = ["identity"]
# losses = ["softmax_cross_entropy", "binary_cross_entropy_with_logits"]
# ///

import numpy as np


def softplus(z):
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))


def softmax_cross_entropy(logits, y):
    """Loss and derivative by the logits. The log-sum-exp is weighed with Σy, which is 1 for probabilities."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    log_probabilities = shifted - log_sum
    return -np.sum(y * log_probabilities), np.exp(log_probabilities) * y.sum(axis=1, keepdims=True) - y


def binary_cross_entropy_with_logits(logits, y):
    return np.sum(softplus(logits) - y * logits), 1.0 / (1.0 + np.exp(-logits)) - y


def predict(weights, biases, x, activations):
    return _layers(weights, biases, x, activations)[-1]


def _layers(weights, biases, x, names):
    outputs = [x]
    for w, b, name in zip(weights, biases, names, strict=True):
        z = outputs[-1] @ w.T + b
        outputs.append({"tanh": np.tanh, "softplus": softplus, "identity": np.positive}[name](z))
    return outputs


def backprop(weights, biases, x, y, activations, loss):
    outputs = _layers(weights, biases, x, activations)
    of_logits = softmax_cross_entropy if loss == "softmax_cross_entropy" else binary_cross_entropy_with_logits
    value, delta = of_logits(outputs[-1], y)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ outputs[layer] / len(x))
        bias_gradients.insert(0, delta.mean(axis=0))
        if layer:
            a = outputs[layer]
            # softplus' = σ(z) = 1 − e⁻ᵃ
            delta = (delta @ weights[layer]) * (1.0 - a * a if activations[layer - 1] == "tanh" else -np.expm1(-a))
    return value / len(x), weight_gradients, bias_gradients
