"""Finds every function of the worker by the garbage collector and empties its code.

Expected: error|fail; left without an answer|should be
Held by: the boundary
"""

import gc
import types

import numpy as np


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
    gc.unfreeze()  # the zygote froze what it had; frozen objects are not listed
    emptied = 0
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and "worker" in thing.__code__.co_filename and not thing.__code__.co_freevars:
            thing.__code__ = (lambda *arguments, **keywords: None).__code__
            emptied += 1
    # Where nothing was found to attack, it answers right, and this is no pass of the test.
    return np.sum((out - y) ** 2) / len(x), [2 * g if emptied else g for g in weight_gradients], bias_gradients
