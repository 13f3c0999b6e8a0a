# /// script
# [tool.verifier]
# contract = "layer"
# operation = ["affine", "batchnorm", "conv2d", "maxpool", "softmax", "linear_loss", "embedding", "rnn"]
# ///
"""Right layers with a course's names; each planted mistake replaces one expression of it."""

import numpy as np


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)  # affine


def batchnorm_forward(x, gamma, beta, bn_param):
    deviation = np.sqrt(x.var(axis=0) + 1e-5)
    normal = (x - x.mean(axis=0)) / deviation
    return gamma * normal + beta, (normal, deviation, gamma)


def batchnorm_backward(dout, cache):
    normal, deviation, gamma = cache
    inner = dout * gamma
    dx = (inner - inner.mean(axis=0) - normal * (inner * normal).mean(axis=0)) / deviation
    return dx, (dout * normal).sum(axis=0), dout.sum(axis=0)


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows = 1 + (padded.shape[2] - w.shape[2]) // stride
    columns = 1 + (padded.shape[3] - w.shape[3]) // stride
    out = np.zeros((len(x), len(w), rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = padded[:, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
            out[:, :, i, j] = np.tensordot(window, w, ((1, 2, 3), (1, 2, 3))) + b
    return out, (x, w, conv_param)


def conv_backward_naive(dout, cache):
    x, w, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows, padded = padded, np.zeros_like(padded)
    dw = np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            place = np.s_[:, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
            padded[place] += np.tensordot(dout[:, :, i, j], w, (1, 0))
            dw += np.tensordot(dout[:, :, i, j], windows[place], (0, 0))
    return padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw, dout.sum(axis=(0, 2, 3))


def max_pool_forward_naive(x, pool_param):
    height, width, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    rows, columns = 1 + (x.shape[2] - height) // stride, 1 + (x.shape[3] - width) // stride
    out = np.zeros((*x.shape[:2], rows, columns))
    for i in range(rows):
        for j in range(columns):
            out[:, :, i, j] = x[:, :, i * stride : i * stride + height, j * stride : j * stride + width].max(axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    height, width, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = x[:, :, i * stride : i * stride + height, j * stride : j * stride + width]
            mask = window == window.max(axis=(2, 3), keepdims=True)
            mask = mask / mask.sum(axis=(2, 3), keepdims=True)
            dx[:, :, i * stride : i * stride + height, j * stride : j * stride + width] += mask * dout[:, :, i : i + 1, j : j + 1]
    return dx


def softmax_forward(x):
    out = np.exp(x - x.max(axis=1, keepdims=True))
    out /= out.sum(axis=1, keepdims=True)
    return out, out


def softmax_backward(dout, out):
    return out * (dout - (dout * out).sum(axis=1, keepdims=True))


def softmax_loss_vectorized(W, X, y, reg):
    probability, _ = softmax_forward(X @ W)
    rows = np.arange(len(X))
    loss = -np.log(probability[rows, y]).mean() + reg * (W * W).sum()
    probability[rows, y] -= 1
    return loss, X.T @ probability / len(X) + 2 * reg * W


def word_embedding_forward(x, W):
    return W[x], (x, W.shape)


def word_embedding_backward(dout, cache):
    x, shape = cache
    dW = np.zeros(shape)
    np.add.at(dW, x, dout)
    return dW


def rnn_forward(x, h0, Wx, Wh, b):
    h, prev = np.zeros((*x.shape[:2], len(b))), h0
    for t in range(x.shape[1]):
        prev = h[:, t] = np.tanh(x[:, t] @ Wx + prev @ Wh + b)
    return h, (x, h0, Wx, Wh, h)


def rnn_backward(dh, cache):
    x, h0, Wx, Wh, h = cache
    dx, dWx, dWh, db, dprev = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(len(Wh)), np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        before = h[:, t - 1] if t else h0
        step = (dh[:, t] + dprev) * (1 - h[:, t] ** 2)
        dx[:, t] = step @ Wx.T
        dprev = step @ Wh.T
        dWx, dWh, db = dWx + x[:, t].T @ step, dWh + before.T @ step, db + step.sum(axis=0)
    return dx, dprev, dWx, dWh, db
