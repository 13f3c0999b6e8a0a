"""The worked example of the mathematics behind this project, claiming the loss that its text states: L = (y − ŷ)².

The text contradicts itself. It defines L = (y − ŷ)², whose derivative is ∂L/∂ŷ = −2(y − ŷ); its worked example then starts
from δ_out = −(y − ŷ) ŷ(1 − ŷ), without the 2. That is the gradient of ½(y − ŷ)². So every gradient here is exactly half of
that of the loss returned, and this candidate must fail. `half_squared_error.py` claims the other loss, and passes.

Two inputs, one hidden unit, one output, sigmoid twice, no biases. Figures for x = (1, 2), w₁ = 0.5, w₂ = 0.3, w₃ = 0.8, y = 1,
as printed in the text (rounded at every step) and without rounding on the way (`python half_squared_error.py` prints the latter):

    h       0.750      0.75026        ∂L/∂w₃  -0.0608    -0.06081
    z_out   0.600      0.60021        δ_h     -0.01217   -0.01215
    ŷ       0.646      0.64570        ∂L/∂w₁  -0.01217   -0.01215
    L       0.125      0.12553        ∂L/∂w₂  -0.02434   -0.02430
    δ_out  -0.0811    -0.08105

The loss in the table is (y − ŷ)², and the gradients are those of half of it; of L itself they are -0.16210 (δ_out), -0.12162,
-0.02430 (δ_h and w₁) and -0.04860.
"""

# /// script
# [tool.verifier]
# contract = "mlp"
# name = "worked-example-squared-error"
# losses = ["squared_error"]
# bias = "none"
# layers = 2
# sizes = [2, 1, 1]
# ///

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def backprop(weights, biases, x, y):
    hidden_weights, output_weights = weights
    h = sigmoid(x @ hidden_weights.T)
    y_hat = sigmoid(h @ output_weights.T)
    loss = np.sum((y - y_hat) ** 2) / len(x)

    delta_out = -(y - y_hat) * y_hat * (1 - y_hat) / len(x)
    by_output_weights = delta_out.T @ h
    delta_h = delta_out @ output_weights * h * (1 - h)
    by_hidden_weights = delta_h.T @ x
    return loss, [by_hidden_weights, by_output_weights], []
