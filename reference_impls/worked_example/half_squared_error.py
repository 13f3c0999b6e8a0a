"""The worked example of the mathematics behind this project, claiming the loss that its gradients belong to: ½(y − ŷ)².

The text states L = (y − ŷ)² with ∂L/∂ŷ = −2(y − ŷ), but works its example with δ_out = −(y − ŷ) ŷ(1 − ŷ): half of that. Read as
the gradient of ½(y − ŷ)² the example is right, so this candidate must pass; `squared_error.py` claims the text's loss, and fails.
Run as a program, this file prints the example's figures, not rounded on the way.
"""

# /// script
# [tool.verifier]
# contract = "mlp"
# name = "worked-example-half-squared-error"
# losses = ["half_squared_error"]
# bias = "none"
# layers = 2
# sizes = [2, 1, 1]
# ///

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def predict(weights, biases, x):
    return sigmoid(sigmoid(x @ weights[0].T) @ weights[1].T)


def deltas(weights, biases, x, y):
    h = sigmoid(x @ weights[0].T)
    y_hat = sigmoid(h @ weights[1].T)
    delta_out = -(y - y_hat) * y_hat * (1 - y_hat) / len(x)
    delta_h = delta_out @ weights[1] * h * (1 - h)
    return [delta_h, delta_out]


def backprop(weights, biases, x, y):
    h = sigmoid(x @ weights[0].T)
    y_hat = sigmoid(h @ weights[1].T)
    loss = 0.5 * np.sum((y - y_hat) ** 2) / len(x)
    delta_h, delta_out = deltas(weights, biases, x, y)
    return loss, [delta_h.T @ x, delta_out.T @ h], []


def update(weights, biases, x, y, learning_rate):
    _, gradients, _ = backprop(weights, biases, x, y)
    return [w - learning_rate * g for w, g in zip(weights, gradients, strict=True)], []


def print_worked_example():
    weights, x, y = [np.array([[0.5, 0.3]]), np.array([[0.8]])], np.array([[1.0, 2.0]]), np.array([[1.0]])
    h = sigmoid(x @ weights[0].T)
    y_hat = sigmoid(h @ weights[1].T)
    loss, gradients, _ = backprop(weights, [], x, y)
    delta_h, delta_out = deltas(weights, [], x, y)
    (hidden_step, output_step), _ = update(weights, [], x, y, 0.1)
    print(f"h = {h.item():.5f}, z_out = {0.8 * h.item():.5f}, y_hat = {y_hat.item():.5f}, L = {2 * loss:.5f} (half of it {loss:.5f})")
    print(f"delta_out = {delta_out.item():.5f}, dL/dw3 = {gradients[1].item():.5f}, w3 -> {output_step.item():.5f}")
    print(f"delta_h = {delta_h.item():.5f}, dL/dw1 = {gradients[0][0, 0]:.5f}, dL/dw2 = {gradients[0][0, 1]:.5f}")
    print(f"w1 -> {hidden_step[0, 0]:.5f}, w2 -> {hidden_step[0, 1]:.5f}")


if __name__ == "__main__":
    print_worked_example()
