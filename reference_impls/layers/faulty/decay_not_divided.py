# /// script
# [tool.verifier]
# contract = "layer"
# arrays = { X = "real n m", Y = "bool 1 m", w = "n 1", b = "" }
# options = { lambd = [0.7, 0.3, 0.0] }
# forward = "grads, cost = propagate(w, b, X, Y, lambd)"
# gradients = "grads"
# ///
"""The weight decay is divided by the batch in the cost, and not in dw: right for a batch of one."""

import numpy as np


def propagate(w, b, X, Y, lambd):
    m = X.shape[1]
    A = 1 / (1 + np.exp(-(w.T @ X + b)))
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m + lambd / (2 * m) * np.sum(w**2)
    return {"dw": X @ (A - Y).T / m + lambd * w, "db": np.sum(A - Y) / m}, cost
