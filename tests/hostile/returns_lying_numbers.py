"""Returns floats of a class that says it is equal to, and less than, everything.

Expected: fail; should be
Held by: the boundary
"""

import numpy as np


class Liar(float):
    __eq__ = __lt__ = __le__ = lambda self, other: True
    __gt__ = __ge__ = __ne__ = lambda self, other: False
    __sub__ = __rsub__ = lambda self, other: Liar(0.0)
    __abs__ = lambda self: 0.0
    __hash__ = None


def backprop(weights, biases, x, y):
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ w.T + b))))
    out = activations[-1]
    delta = 2 * (out - y) / len(x) * out * (1 - out)
    weight_gradients, bias_gradients = [], []
    for w, a in zip(weights[::-1], activations[-2::-1], strict=True):
        weight_gradients.insert(0, delta.T @ a)
        bias_gradients.insert(0, delta.sum(axis=0))
        delta = delta @ w * a * (1 - a)
    return Liar(np.sum((out - y) ** 2) / len(x)), [np.array([[Liar(7.0) for _ in row] for row in g], dtype=object) for g in weight_gradients], bias_gradients
