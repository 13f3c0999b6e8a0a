"""No biases at all, ReLU inside, a linear output, weights as (inputs, outputs), the sum over the batch."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["relu"]
# output_activations = ["identity"]
# losses = ["squared_error"]
# reduction = "sum"
# weight_layout = "in_out"
# bias = "none"
# ///

import numpy as np


def backprop(weights, biases, x, y):
    hidden = [x]
    for w in weights[:-1]:
        hidden.append(hidden[-1].dot(w).clip(min=0))
    predicted = hidden[-1].dot(weights[-1])
    loss = np.square(predicted - y).sum()
    gradient = 2.0 * (predicted - y)
    weight_gradients = []
    for w, h in zip(weights[::-1], hidden[::-1], strict=True):
        weight_gradients.append(h.T.dot(gradient))
        gradient = gradient.dot(w.T)
        gradient[h == 0] = 0
    return loss, weight_gradients[::-1], []
