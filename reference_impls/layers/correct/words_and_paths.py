# /// script
# [tool.verifier]
# contract = "layer"
# [[tool.verifier.layer]]
# name = "Conv2D"
# operation = "conv2d"
# arrays = { x = "N H W C", w = "K L C F", b = "F" }
# options = { padding = ["SAME", "VALID"], stride = [1, 2] }
# setup = ["layer = Conv2D((K, L, C, F), (stride, stride), padding)", "layer.params = {'w': w, 'b': b}"]
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# gradients = "layer.grads"
# [[tool.verifier.layer]]
# name = "BatchNormalization, kept statistics"
# arrays = { x = "N D", gamma = "D", beta = "D", kept_mean = "real D", kept_var = "real positive D" }
# setup = ["layer = KeptNormalization(kept_mean, kept_var)", "layer.params = {'gamma': gamma, 'beta': beta}"]
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# gradients = "layer.grads"
# [[tool.verifier.layer]]
# name = "negative sampling"
# arrays = { v = "D", o = "int<V>", U = "V D" }
# sizes = { V = [3, 6] }
# options = { K = [1, 5] }
# setup = "dataset = Dataset(V)"
# forward = "loss, dv, dU = neg_sampling_loss_and_gradient(v, o, U, dataset, K)"
# [[tool.verifier.layer]]
# name = "skipgram"
# arrays = { Vc = "5 D", U = "5 D" }
# setup = "tokens = {'a': 0, 'b': 1, 'c': 2, 'd': 3, 'e': 4}"
# forward = "loss, dVc, dU = skipgram('c', ['a', 'b', 'e', 'd', 'b', 'c'], tokens, Vc, U)"
# [[tool.verifier.layer]]
# name = "VAE"
# arrays = { mu = "N Z", logvar = "N Z" }
# setup = "vae = VAE()"
# forward = "z, kl = vae.forward(mu, logvar)"
# backward = "dmu, dlogvar = vae.backward(dz, dkl)"
# [[tool.verifier.layer]]
# name = "attention pooling"
# arrays = { H = "B T D", W = "A D", v = "A", M = "bool B T" }
# forward = "context, cache = pool_forward(H, W, v, M)"
# backward = "dH, dW, dv = pool_backward(dcontext, cache)"
# [[tool.verifier.layer]]
# name = "residual"
# arrays = { x = "N D", W1 = "D H", W2 = "H D" }
# forward = "out, cache = residual_forward(x, W1, W2)"
# backward = "dx, dW1, dW2 = residual_backward(dout, cache)"
# [[tool.verifier.layer]]
# name = "softmax with loss over time, in place"
# arrays = { xs = "N T V", ts = "int<V> N T" }
# setup = "layer = TimeSoftmaxWithLoss()"
# forward = "loss = layer.forward(xs, ts)"
# backward = "dxs = layer.backward()"
# [[tool.verifier.layer]]
# name = "Adam, its correction in the rate"
# arrays = { w = "N D", dw = "N D" }
# setup = ["optimizer = Adam(0.01)", "params = {'W': w}"]
# step = ["optimizer.update(params, {'W': dw})", "w = params['W']"]
# optimizer = { name = "adam", lr = 0.01, eps = 1e-7 }
# ///
"""Padding in words, kept statistics, word vectors, two outputs, a skip path, a loss that overwrites its cache, Adam's efficient form."""

import random

import numpy as np


def padding_of(length, mode):
    pads = length - 1 if mode == "SAME" else 0
    return pads // 2, pads - pads // 2


class Conv2D:
    """Channels last; filters of rows, columns, input and output channels."""

    def __init__(self, kernel, stride=(1, 1), padding="SAME"):
        self.kernel, self.stride, self.mode = kernel, stride, padding
        self.params, self.grads = {}, {}

    def forward(self, inputs):
        high, wide, in_channels, out_channels = self.kernel
        down, right = self.stride
        self.pads = padding_of(high, self.mode), padding_of(wide, self.mode)
        self.padded = np.pad(inputs, ((0, 0), *self.pads, (0, 0)))
        batch, rows, columns, _ = self.padded.shape
        self.W = self.params["w"].reshape(-1, out_channels)
        out = np.empty((batch, (rows - high) // down + 1, (columns - wide) // right + 1, out_channels))
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[:, i, j] = self.patch(i, j).reshape(batch, -1) @ self.W + self.params["b"]
        return out

    def patch(self, i, j):
        high, wide = self.kernel[:2]
        down, right = self.stride
        return self.padded[:, i * down : i * down + high, j * right : j * right + wide]

    def backward(self, grad):
        high, wide, in_channels, out_channels = self.kernel
        down, right = self.stride
        batch, rows, columns, _ = self.padded.shape
        self.grads = {"w": np.zeros(self.kernel), "b": grad.sum(axis=(0, 1, 2))}
        back = np.zeros(self.padded.shape)
        for i in range(grad.shape[1]):
            for j in range(grad.shape[2]):
                self.grads["w"] += (self.patch(i, j).reshape(batch, -1).T @ grad[:, i, j]).reshape(self.kernel)
                share = (grad[:, i, j] @ self.W.T).reshape(batch, high, wide, in_channels)
                back[:, i * down : i * down + high, j * right : j * right + wide] += share
        (top, bottom), (left, end) = self.pads
        return back[:, top : rows - bottom, left : columns - end]


class KeptNormalization:
    """Batch normalisation in test mode: mean and variance are those of training."""

    def __init__(self, mean, variance, epsilon=1e-5):
        self.mean, self.deviation = mean, np.sqrt(variance + epsilon)
        self.params, self.grads = {}, {}

    def forward(self, inputs):
        self.normal = (inputs - self.mean) / self.deviation
        return self.params["gamma"] * self.normal + self.params["beta"]

    def backward(self, grad):
        self.grads = {"gamma": (grad * self.normal).sum(axis=0), "beta": grad.sum(axis=0)}
        return grad * self.params["gamma"] / self.deviation


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class Dataset:
    """Draws words with Python's own generator, as the course does."""

    def __init__(self, words):
        self.words = words

    def sample(self, besides):
        drawn = random.randint(0, self.words - 1)
        while drawn == besides:
            drawn = random.randint(0, self.words - 1)
        return drawn


def neg_sampling_loss_and_gradient(center, outside, vectors, dataset, K):
    negative = [dataset.sample(outside) for _ in range(K)]
    gradient = np.zeros_like(vectors)
    found = sigmoid(vectors[outside] @ center)
    loss = -np.log(found)
    of_center = (found - 1) * vectors[outside]
    gradient[outside] += (found - 1) * center
    for word in negative:
        found = sigmoid(-vectors[word] @ center)
        loss -= np.log(found)
        of_center = of_center + (1 - found) * vectors[word]
        gradient[word] += (1 - found) * center
    return loss, of_center, gradient


def naive_softmax_loss_and_gradient(center, outside, vectors):
    p = softmax(vectors @ center)
    y = np.zeros_like(p)
    y[outside] = 1
    return -np.log(p[outside]), vectors.T @ (p - y), np.outer(p - y, center)


def skipgram(word, outside_words, tokens, center_vectors, outside_vectors):
    loss, of_centers, of_outside = 0.0, np.zeros_like(center_vectors), np.zeros_like(outside_vectors)
    for outside in outside_words:
        one, of_center, of_vectors = naive_softmax_loss_and_gradient(center_vectors[tokens[word]], tokens[outside], outside_vectors)
        loss += one
        of_centers[tokens[word]] += of_center
        of_outside += of_vectors
    return loss, of_centers, of_outside


class VAE:
    """z = mu + exp(logvar / 2)·eps, and the divergence from a normal distribution."""

    def forward(self, mu, logvar):
        self.mu, self.logvar = mu, logvar
        self.noise = np.random.standard_normal(size=mu.shape)
        self.deviation = np.exp(0.5 * logvar)
        return mu + self.deviation * self.noise, -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))

    def backward(self, dz, dkl):
        dmu = dz + dkl * self.mu
        dlogvar = dz * self.noise * 0.5 * self.deviation + dkl * 0.5 * (np.exp(self.logvar) - 1)
        return dmu, dlogvar


def pool_forward(H, W, v, M):
    hidden = np.tanh(H @ W.T)
    weights = softmax(np.where(M, hidden @ v, -1e30))
    return (weights[:, :, None] * H).sum(axis=1), (H, W, v, M, hidden, weights)


def pool_backward(dcontext, cache):
    H, W, v, M, hidden, weights = cache
    dweights = (dcontext[:, None, :] * H).sum(axis=-1)
    dscores = weights * (dweights - (weights * dweights).sum(axis=-1, keepdims=True)) * M
    dhidden = dscores[:, :, None] * v * (1 - hidden**2)
    dH = weights[:, :, None] * dcontext[:, None, :] + dhidden @ W
    return dH, np.einsum("bta,btd->ad", dhidden, H), np.einsum("bt,bta->a", dscores, hidden)


def residual_forward(x, W1, W2):
    hidden = np.maximum(0, x @ W1)
    return x + hidden @ W2, (x, W1, W2, hidden)


def residual_backward(dout, cache):
    x, W1, W2, hidden = cache
    dhidden = (dout @ W2.T) * (hidden > 0)
    return dout + dhidden @ W1.T, x.T @ dhidden, hidden.T @ dout


class TimeSoftmaxWithLoss:
    """Its backward pass writes into what the forward pass kept: a second call would answer otherwise."""

    def forward(self, xs, ts):
        self.shape = xs.shape
        self.ys, self.ts = softmax(xs.reshape(-1, xs.shape[-1])), ts.ravel()
        return -np.log(self.ys[np.arange(len(self.ts)), self.ts]).mean()

    def backward(self, dout=1):
        dx = self.ys
        dx[np.arange(len(self.ts)), self.ts] -= 1
        dx *= dout
        dx /= len(self.ts)
        return dx.reshape(self.shape)


class Adam:
    """Over a dictionary of parameters; ε is added to the root before the correction, which stands in the rate."""

    def __init__(self, rate=0.001, beta1=0.9, beta2=0.999):
        self.rate, self.beta1, self.beta2, self.count, self.m, self.v = rate, beta1, beta2, 0, None, None

    def update(self, params, grads):
        if self.m is None:
            self.m = {key: np.zeros_like(value) for key, value in params.items()}
            self.v = {key: np.zeros_like(value) for key, value in params.items()}
        self.count += 1
        rate = self.rate * np.sqrt(1.0 - self.beta2**self.count) / (1.0 - self.beta1**self.count)
        for key in params:
            self.m[key] += (1 - self.beta1) * (grads[key] - self.m[key])
            self.v[key] += (1 - self.beta2) * (grads[key] ** 2 - self.v[key])
            params[key] -= rate * self.m[key] / (np.sqrt(self.v[key]) + 1e-7)
