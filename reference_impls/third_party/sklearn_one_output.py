"""scikit-learn's `MLPRegressor` with one output: its own `_backprop`, unmodified, claiming the loss that it returns.

That loss is half the squared error averaged over samples and outputs, plus (alpha / 2) Σ w² / (number of samples).
Tried with scikit-learn 1.9.1 (`pip install .[third-party]`). `_backprop` is private and its arguments have changed before.
"""

# /// script
# dependencies = ["scikit-learn", "numpy"]
#
# [tool.verifier]
# contract = "mlp"
# activations = ["relu"]
# output_activations = ["identity"]
# losses = ["half_squared_error"]
# reduction = "mean_all"
# l2 = 0.005
# l2_over_batch = true
# weight_layout = "in_out"
# sizes = [0, 0, 1]
# ///

import numpy as np
from sklearn.neural_network import MLPRegressor

ALPHA = 0.01


def backprop(weights, biases, x, y):
    sizes = [len(weights[0]), *(w.shape[1] for w in weights)]
    network = MLPRegressor(hidden_layer_sizes=tuple(sizes[1:-1]), activation="relu", alpha=ALPHA)
    # What a fit sets before it calls `_backprop`
    network.coefs_, network.intercepts_ = weights, biases
    network.n_layers_, network.n_outputs_ = len(sizes), sizes[-1]
    network.out_activation_ = "identity"
    activations = [x] + [None] * len(weights)
    deltas = [None] * len(weights)
    weight_gradients = [np.empty_like(w) for w in weights]
    bias_gradients = [np.empty_like(b) for b in biases]
    return network._backprop(x, y, None, activations, deltas, weight_gradients, bias_gradients)
