"""Claims right answers for saturated networks too: nothing here overflows or cancels, however large the values are."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["sigmoid", "tanh"]
# output_activations = ["identity"]
# losses = ["binary_cross_entropy_with_logits"]
# stable = true
# ///

import numpy as np


def sigmoid(z):
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def slope(name, z):
    small = np.exp(-np.abs(z))
    if name == "sigmoid":
        return small / (1.0 + small) ** 2
    return 4.0 * small**2 / (1.0 + small**2) ** 2


def backprop(weights, biases, x, y, activations):
    pre_activations, outputs = [], [x]
    for w, b, name in zip(weights, biases, activations, strict=True):
        z = outputs[-1] @ w.T + b
        pre_activations.append(z)
        outputs.append({"sigmoid": sigmoid, "tanh": np.tanh}.get(name, np.positive)(z))
    logits = outputs[-1]
    # y log(1 + e⁻ᶻ) + (1 − y) log(1 + eᶻ): no large terms that cancel
    loss = np.sum(y * np.logaddexp(0.0, -logits) + (1.0 - y) * np.logaddexp(0.0, logits)) / len(x)
    delta = ((1.0 - y) * sigmoid(logits) - y * sigmoid(-logits)) / len(x)
    weight_gradients, bias_gradients = [], []
    for layer in reversed(range(len(weights))):
        weight_gradients.insert(0, delta.T @ outputs[layer])
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer:
            delta = (delta @ weights[layer]) * slope(activations[layer - 1], pre_activations[layer - 1])
    return loss, weight_gradients, bias_gradients
