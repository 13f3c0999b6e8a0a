# /// script
# [tool.verifier]
# contract = "layer"
# operation = "layernorm"
# ///
"""The means of the backward pass go over the batch, those of the forward pass over each row."""

import numpy as np


def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mean = x.mean(axis=1, keepdims=True)
    std = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    x_hat = (x - mean) / std
    return gamma * x_hat + beta, (x_hat, std, gamma)


def layernorm_backward(dout, cache):
    x_hat, std, gamma = cache
    D = dout.shape[1]
    dgamma, dbeta = (dout * x_hat).sum(0), dout.sum(0)
    dxh = dout * gamma
    dx = (D * dxh - dxh.sum(0, keepdims=True) - x_hat * (dxh * x_hat).sum(1, keepdims=True)) / (D * std)
    return dx, dgamma, dbeta
