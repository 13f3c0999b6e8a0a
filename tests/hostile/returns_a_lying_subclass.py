"""Returns arrays of a class that overrides what NumPy does with them.

Expected: pass
Held by: the boundary
"""

import numpy as np


class Lying(np.ndarray):
    def __array_function__(self, function, types, arguments, keywords):
        raise SystemExit(0)

    def __array_ufunc__(self, *arguments, **keywords):
        raise SystemExit(0)

    def __array_finalize__(self, other):
        pass

    def astype(self, *arguments, **keywords):
        raise SystemExit(0)

    @property
    def __array_interface__(self):
        return {"shape": (1 << 40,), "typestr": "<f8", "data": (0, False), "version": 3}


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
    return np.sum((out - y) ** 2) / len(x), [g.view(Lying) for g in weight_gradients], bias_gradients
