# /// script
# [tool.verifier]
# contract = "layer"
# arrays = { x = "N D", W1 = "D H", W2 = "H D" }
# forward = "out, cache = residual_forward(x, W1, W2)"
# backward = "dx, dW1, dW2 = residual_backward(dout, cache)"
# ///
"""What comes straight through a residual block is forgotten: dx lacks dout."""

import numpy as np


def residual_forward(x, W1, W2):
    hidden = np.maximum(0, x @ W1)
    return x + hidden @ W2, (x, W1, W2, hidden)


def residual_backward(dout, cache):
    x, W1, W2, hidden = cache
    dhidden = (dout @ W2.T) * (hidden > 0)
    return dhidden @ W1.T, x.T @ dhidden, hidden.T @ dout
