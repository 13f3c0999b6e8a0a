# /// script
# [tool.verifier]
# contract = "layer"
# operation = "linear_loss"
# forward = "loss, dW = softmax_loss_vectorized(W, X, y, reg)"
# ///
"""The 2 of the square is forgotten."""

import numpy as np


def softmax_loss_vectorized(W, X, y, reg):
    N = X.shape[0]
    scores = X.dot(W)
    scores -= scores.max(axis=1, keepdims=True)
    P = np.exp(scores)
    P /= P.sum(axis=1, keepdims=True)
    loss = -np.log(P[np.arange(N), y]).mean() + reg * np.sum(W * W)
    P[np.arange(N), y] -= 1
    return loss, X.T.dot(P) / N + reg * W
