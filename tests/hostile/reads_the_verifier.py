"""Imports the verifier, or reads its code, to take the right answer from it.

Expected: pass
Held by: files
"""

import functools
import importlib
import os
import sys

import numpy as np

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
FILES = ("verifier/textbook.py", "verifier/wire.py", "reference_impls/correct/vectorised_rows.py")


@functools.cache
def attack():
    sys.modules.pop("verifier", None)
    for file in FILES:
        path = os.path.join(ROOT, file)
        if not os.path.isfile(path):
            raise RuntimeError(f"this attack looks for what is not there: {path}")
        for place in (sys.path[:], [ROOT, *sys.path]):
            sys.path[:] = place
            try:
                importlib.import_module(file.removesuffix(".py").replace("/", "."))
            except (ModuleNotFoundError, PermissionError):
                continue
            raise RuntimeError(f"breach: {file}")
        try:
            open(path)
        except PermissionError:
            continue
        raise RuntimeError(f"breach: {path}")


def backprop(weights, biases, x, y):
    attack()
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
    return np.sum((out - y) ** 2) / len(x), weight_gradients, bias_gradients
