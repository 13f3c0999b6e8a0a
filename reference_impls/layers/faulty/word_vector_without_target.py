# /// script
# [tool.verifier]
# contract = "layer"
# arrays = { v = "D", o = "int<V>", U = "V D" }
# sizes = { V = [2, 6] }
# forward = "loss, dv, dU = naive_softmax_loss_and_gradient(v, o, U)"
# ///
"""The softmax alone, where the softmax less the word that is right belongs."""

import numpy as np


def naive_softmax_loss_and_gradient(center, outside, vectors):
    scores = vectors @ center
    p = np.exp(scores - scores.max())
    p = p / p.sum()
    loss = -np.log(p[outside])
    return loss, vectors.T @ p, np.outer(p, center)
