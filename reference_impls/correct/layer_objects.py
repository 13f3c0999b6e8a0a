"""Layer objects with `forward` and `backward`, as small frameworks build them; leaky ReLU with a slope of its own."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["leaky_relu", "identity"]
# losses = ["squared_error"]
# reduction = "mean_all"
# leaky_slope = 0.2
# weight_layout = "in_out"
# ///

import numpy as np


class Dense:
    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, gradient):
        self.by_w = self.x.T @ gradient
        self.by_b = gradient.sum(axis=0)
        return gradient @ self.w.T


class LeakyReLU:
    slope = 0.2

    def forward(self, x):
        self.scale = np.where(x > 0, 1.0, self.slope)
        return x * self.scale

    def backward(self, gradient):
        return gradient * self.scale


class Identity:
    def forward(self, x):
        return x

    def backward(self, gradient):
        return gradient


class MeanSquaredError:
    def forward(self, predicted, y):
        self.difference = predicted - y
        return np.mean(self.difference**2)

    def backward(self):
        return 2 * self.difference / self.difference.size


def backprop(weights, biases, x, y, activations):
    dense = [Dense(w, b) for w, b in zip(weights, biases, strict=True)]
    stack = []
    for layer, name in zip(dense, activations, strict=True):
        stack += [layer, LeakyReLU() if name == "leaky_relu" else Identity()]
    for module in stack:
        x = module.forward(x)
    criterion = MeanSquaredError()
    loss = criterion.forward(x, y)
    gradient = criterion.backward()
    for module in reversed(stack):
        gradient = module.backward(gradient)
    return loss, [layer.by_w for layer in dense], [layer.by_b for layer in dense]
