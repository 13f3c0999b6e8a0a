"""Plain Python inside: lists of floats and loops, no NumPy; lists come back as well."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# max_layers = 4
# max_width = 8
# ///

import math


def sigmoid(z):
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    return math.exp(z) / (1.0 + math.exp(z))  # math.exp raises OverflowError where NumPy returns infinity


def activations_of(weights, biases, sample):
    activations = [sample]
    for matrix, vector in zip(weights, biases, strict=True):
        sums = [sum(w * a for w, a in zip(row, activations[-1], strict=True)) for row in matrix]
        activations.append([sigmoid(z + b) for z, b in zip(sums, vector, strict=True)])
    return activations


def backprop(weights, biases, x, y):
    weights = [w.tolist() for w in weights]
    biases = [b.tolist() for b in biases]
    samples, targets = x.tolist(), y.tolist()
    weight_gradients = [[[0.0] * len(row) for row in matrix] for matrix in weights]
    bias_gradients = [[0.0] * len(vector) for vector in biases]
    loss = 0.0
    for sample, target in zip(samples, targets, strict=True):
        activations = activations_of(weights, biases, sample)
        loss += sum((t - a) ** 2 for t, a in zip(target, activations[-1], strict=True))
        delta = [-2.0 * (t - a) * a * (1.0 - a) for t, a in zip(target, activations[-1], strict=True)]
        for layer in range(len(weights) - 1, -1, -1):
            below = activations[layer]
            for i, d in enumerate(delta):
                bias_gradients[layer][i] += d / len(samples)
                for j, a in enumerate(below):
                    weight_gradients[layer][i][j] += d * a / len(samples)
            carried = [sum(weights[layer][i][j] * d for i, d in enumerate(delta)) for j in range(len(below))]
            delta = [c * a * (1.0 - a) for c, a in zip(carried, below, strict=True)]
    return loss / len(samples), weight_gradients, bias_gradients
