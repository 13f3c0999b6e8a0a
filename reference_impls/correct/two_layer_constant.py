"""Course code with the network written out: two inputs, one hidden layer, one output, every product by name."""

# /// script
# [tool.verifier]
# contract = "mlp"
# activations = ["tanh"]
# output_activations = ["sigmoid"]
# losses = ["half_squared_error"]
# reduction = "sum"
# weight_layout = "in_out"
# bias = "row"
# layers = 2
# sizes = [2, 0, 1]
# ///

import numpy as np


def backprop(weights, biases, x, y):
    w1, w2 = weights
    b1, b2 = biases
    z1 = np.matmul(x, w1) + b1
    h = np.tanh(z1)
    z2 = np.matmul(h, w2) + b2
    y_hat = 1 / (1 + np.exp(-z2))
    loss = 0.5 * ((y - y_hat) ** 2).sum()

    dz2 = (y_hat - y) * y_hat * (1 - y_hat)
    dw2 = np.matmul(h.T, dz2)
    db2 = dz2.sum(axis=0, keepdims=True)
    dz1 = np.matmul(dz2, w2.T) * (1 - h**2)
    dw1 = np.matmul(x.T, dz1)
    db1 = dz1.sum(axis=0, keepdims=True)
    return loss, [dw1, dw2], [db1, db2]
