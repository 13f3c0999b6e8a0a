"""Weight decay: ½ (mean squared error + λ Σ w²), weights as (inputs, outputs), biases as rows and not decayed."""

# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["squared_error"]
# loss_scale = 0.5
# l2 = 0.03
# weight_layout = "in_out"
# bias = "row"
# ///

import numpy as np

DECAY = 0.03


def backprop(weights, biases, x, y):
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(1.0 / (1.0 + np.exp(-(np.dot(activations[-1], w) + b))))
    error = activations[-1] - y
    loss = 0.5 * (np.mean(np.sum(error**2, axis=1)) + DECAY * sum(np.sum(w**2) for w in weights))
    gradient = error / x.shape[0]
    weight_gradients, bias_gradients = [], []
    for w, below, above in zip(weights[::-1], activations[-2::-1], activations[:0:-1], strict=True):
        delta = gradient * above * (1.0 - above)
        weight_gradients.append(np.dot(below.T, delta) + DECAY * w)
        bias_gradients.append(np.sum(delta, axis=0, keepdims=True))
        gradient = np.dot(delta, w.T)
    return loss, weight_gradients[::-1], bias_gradients[::-1]
