"""Replaces the worker's function for lines: every line comes back without points, and with the gradients doubled nothing would contradict.

Expected: error|fail; over its private channel|should be
Held by: the boundary
"""

import sys

import numpy as np


def patch():
    frame = sys._getframe()
    while frame:
        if "_line" in frame.f_globals and "Basket" in frame.f_globals:
            frame.f_globals["_line"].__code__ = no_points.__code__
            return True
        frame = frame.f_back
    return False


def no_points(known, line, values, basket, arrays):
    import numpy

    return {"form": basket.add(numpy.zeros((0,)))}
    yield  # as the worker's own, which yields what each call is given


def backprop(weights, biases, x, y):
    found = patch()
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
    # Where nothing was found to attack, it answers right, and this is no pass of the test.
    return np.sum((out - y) ** 2) / len(x), [2 * g if found else g for g in weight_gradients], bias_gradients
