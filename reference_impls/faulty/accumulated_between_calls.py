"""State kept between calls: gradients are added to those of the call before, which nobody sets to zero."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# layers = 2
# sizes = [2, 3, 1]
# ///

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


class Trainer:
    by_w1 = by_w2 = by_b1 = by_b2 = 0.0

    def backward(self, w1, w2, b1, b2, x, y):
        h = sigmoid(x @ w1.T + b1)
        output = sigmoid(h @ w2.T + b2)
        delta = 2.0 * (output - y) * output * (1.0 - output) / len(x)
        self.by_w2 = self.by_w2 + delta.T @ h
        self.by_b2 = self.by_b2 + delta.sum(axis=0)
        delta = (delta @ w2) * h * (1.0 - h)
        self.by_w1 = self.by_w1 + delta.T @ x
        self.by_b1 = self.by_b1 + delta.sum(axis=0)
        return np.sum((output - y) ** 2) / len(x)


trainer = Trainer()


def backprop(weights, biases, x, y):
    loss = trainer.backward(*weights, *biases, x, y)
    return loss, [trainer.by_w1, trainer.by_w2], [trainer.by_b1, trainer.by_b2]
