"""HIPS autograd differentiates a forward pass written with its NumPy: nothing here is a backward pass of ours.

Tried with autograd 1.9.1 (`pip install .[third-party]`). There is no binary cross-entropy among the claims:
differentiated through log(1 - a) it loses digits as a nears 1, to 1e-10 of the gradient at z = 15, where a - y loses none.
"""

# /// script
# dependencies = ["autograd", "numpy"]
#
# [tool.verifier]
# contract = "mlp"
# activations = ["sigmoid", "tanh", "relu", "softplus", "identity"]
# output_activations = ["sigmoid", "tanh", "identity", "softmax"]
# losses = ["squared_error", "half_squared_error", "cross_entropy"]
# ///

import autograd.numpy as np
from autograd import value_and_grad


def softmax(z):
    exponentials = np.exp(z - np.max(z, axis=1, keepdims=True))
    return exponentials / np.sum(exponentials, axis=1, keepdims=True)


ACTIVATIONS = {
    "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0.0),
    "softplus": lambda z: np.logaddexp(0.0, z),
    "identity": lambda z: z,
    "softmax": softmax,
}

LOSSES = {
    "squared_error": lambda a, y: np.sum((y - a) ** 2),
    "half_squared_error": lambda a, y: 0.5 * np.sum((y - a) ** 2),
    "cross_entropy": lambda a, y: -np.sum(y * np.log(a)),
}


def predict(weights, biases, x, activations):
    for w, b, name in zip(weights, biases, activations, strict=True):
        x = ACTIVATIONS[name](np.dot(x, w.T) + b)
    return x


def mean_loss(parameters, x, y, activations, loss):
    weights, biases = parameters
    return LOSSES[loss](predict(weights, biases, x, activations), y) / len(x)


def backprop(weights, biases, x, y, activations, loss):
    value, (weight_gradients, bias_gradients) = value_and_grad(mean_loss)((weights, biases), x, y, activations, loss)
    return value, weight_gradients, bias_gradients
