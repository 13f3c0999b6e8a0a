"""A classifier: ReLU or tanh inside, softmax with cross-entropy at the end, δ of the output p − y."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["relu", "tanh"]
# output_activations = ["softmax"]
# losses = ["cross_entropy"]
# targets = "one_hot"
# ///

import numpy as np


def softmax(z):
    exponentials = np.exp(z - z.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def layers(weights, biases, x, names):
    outputs = [x]
    for w, b, name in zip(weights, biases, names, strict=True):
        z = outputs[-1] @ w.T + b
        outputs.append(softmax(z) if name == "softmax" else np.tanh(z) if name == "tanh" else np.maximum(z, 0))
    return outputs


def predict(weights, biases, x, activations):
    return layers(weights, biases, x, activations)[-1]


def backprop(weights, biases, x, y, activations):
    outputs = layers(weights, biases, x, activations)
    batch = len(x)
    # The probability of the right class only: y log p with y = 0 and p = 0 would be NaN.
    loss = -np.log(outputs[-1][np.arange(batch), y.argmax(axis=1)]).sum() / batch
    delta = (outputs[-1] - y) / batch
    weight_gradients, bias_gradients = [None] * len(weights), [None] * len(weights)
    for layer in range(len(weights) - 1, -1, -1):
        weight_gradients[layer] = delta.T @ outputs[layer]
        bias_gradients[layer] = delta.sum(axis=0)
        if layer > 0:
            slope = 1 - outputs[layer] ** 2 if activations[layer - 1] == "tanh" else outputs[layer] > 0
            delta = (delta @ weights[layer]) * slope
    return loss, weight_gradients, bias_gradients
