# /// script
# [tool.verifier]
# contract = "layer"
# [[tool.verifier.layer]]
# name = "Affine"
# operation = "affine"
# setup = "layer = Affine(w, b)"
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dw, db = layer.dW, layer.db"]
# [[tool.verifier.layer]]
# name = "Relu"
# operation = "relu"
# setup = "layer = Relu()"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "Convolution"
# operation = "conv2d"
# setup = "layer = Convolution(w, b, stride, pad)"
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dw, db = layer.dW, layer.db"]
# [[tool.verifier.layer]]
# name = "Pooling"
# operation = "maxpool"
# setup = "layer = Pooling(pool_height, pool_width, stride)"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "SoftmaxWithLoss"
# operation = "cross_entropy"
# setup = "layer = SoftmaxWithLoss()"
# forward = "loss = layer.forward(x, y)"
# backward = "dx = layer.backward()"
# [[tool.verifier.layer]]
# name = "SigmoidWithLoss"
# operation = "binary_cross_entropy_with_logits"
# arrays = { x = "N", y = "bool N" }
# setup = "layer = SigmoidWithLoss()"
# forward = "loss = layer.forward(x, y)"
# backward = "dx = layer.backward()"
# [[tool.verifier.layer]]
# name = "BatchNormalization"
# operation = "batchnorm"
# arrays = { x = "N C H W", gamma = "C*H*W", beta = "C*H*W" }
# sizes = { N = [2, 4], C = [1, 2], H = [1, 3], W = [1, 3] }
# setup = "layer = BatchNormalization(gamma, beta)"
# forward = "out = layer.forward(x, True)"
# backward = ["dx = layer.backward(dout)", "dgamma, dbeta = layer.dgamma, layer.dbeta"]
# [[tool.verifier.layer]]
# name = "Dropout"
# operation = "dropout"
# options = { p = [0.4, 0.7], train = [true, false] }
# setup = "layer = Dropout(p)"
# forward = "out = layer.forward(x, train)"
# backward = "dx = layer.backward(dout) if train else dout * (1 - p)"
# [[tool.verifier.layer]]
# name = "Embedding"
# operation = "embedding"
# arrays = { x = "int<V> N", W = "V D" }
# setup = "layer = Embedding(W)"
# forward = "out = layer.forward(x)"
# backward = ["layer.backward(dout)", "dW = layer.grads[0]"]
# [[tool.verifier.layer]]
# name = "TimeLSTM"
# operation = "lstm"
# arrays = { h = "N H", c = "real N H" }
# setup = ["layer = TimeLSTM(Wx, Wh, b)", "layer.h, layer.c = h, c"]
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dh = layer.dh", "dWx, dWh, db = layer.grads"]
# [[tool.verifier.layer]]
# name = "AttentionWeight"
# arrays = { hs = "N T H", h = "N H" }
# setup = "layer = AttentionWeight()"
# forward = "out = layer.forward(hs, h)"
# backward = "dhs, dh = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "Dense, by its step"
# operation = "affine"
# arrays = { b = "1 M" }
# setup = ["layer = Dense(M, (D,))", "layer.initialize(Descent(learning_rate=1.0))", "layer.W, layer.w0 = w, b"]
# forward = "out = layer.forward_pass(x)"
# backward = ["dx = layer.backward_pass(dout)", "dw = w - layer.W", "db = b - layer.w0"]
# [[tool.verifier.layer]]
# name = "SquareLoss"
# arrays = { y = "real N D", y_pred = "N D" }
# setup = "criterion = SquareLoss()"
# forward = "out = criterion.loss(y, y_pred)"
# backward = "dy_pred = dout * criterion.gradient(y, y_pred)"
# [[tool.verifier.layer]]
# name = "Conv3x3, by its step"
# arrays = { w = "F 3 3" }
# options = { H = [6, 5], V = [5, 7] }
# forward = "out = layer.forward(image)"
# setup = ["image = np.cos(np.arange(H * V)).reshape(H, V)", "layer = Conv3x3(F)", "layer.filters = w.copy()"]
# backward = ["layer.backprop(dout, 1.0)", "dw = w - layer.filters"]
# [[tool.verifier.layer]]
# name = "closure"
# operation = "affine"
# setup = "layer = affine_layer(w, b)"
# forward = "out, backprop = layer(x)"
# backward = "dx, dw, db = backprop(dout)"
# [[tool.verifier.layer]]
# name = "conv_forward, channels last"
# operation = "conv2d"
# arrays = { A_prev = "N H V C", W = "K K C F", b = "1 1 1 F" }
# options = { stride = [1, 2], pad = [0, 1, 2] }
# require = ["H + 2*pad >= K", "V + 2*pad >= K"]
# sizes = { V = [3, 6] }
# forward = "Z, cache = conv_forward(A_prev, W, b, {'stride': stride, 'pad': pad})"
# backward = "dA_prev, dW, db = conv_backward(dZ, cache)"
# [[tool.verifier.layer]]
# name = "pool_forward, channels last"
# operation = "maxpool"
# arrays = { A_prev = "N H V C" }
# options = { stride = [1, 2], K = [2, 3], kind = ["max", "average"] }
# require = ["H >= K", "V >= K"]
# sizes = { V = [3, 6] }
# forward = "A, cache = pool_forward(A_prev, {'stride': stride, 'f': K}, kind)"
# backward = "dA_prev = pool_backward(dA, cache, kind)"
# [[tool.verifier.layer]]
# name = "linear_forward, columns"
# operation = "affine"
# arrays = { A_prev = "D N", W = "M D", b = "M 1" }
# forward = "Z, cache = linear_forward(A_prev, W, b)"
# backward = "dA_prev, dW, db = linear_backward(dZ, cache)"
# mean = { W = "N", b = "N" }
# [[tool.verifier.layer]]
# name = "SGD"
# setup = ["optimizer = SGD(lr)", "params = {'w': w}"]
# step = ["optimizer.update(params, {'w': dw})", "w = params['w']"]
# optimizer = { name = "sgd", lr = 0.02 }
# [[tool.verifier.layer]]
# name = "Nesterov"
# setup = ["optimizer = Momentum(lr, momentum)", "params = {'w': w}"]
# step = ["optimizer.update(params, {'w': dw})", "w = params['w']"]
# optimizer = { name = "momentum", lr = 0.02, momentum = 0.8 }
# [[tool.verifier.layer]]
# name = "AdaGrad"
# setup = "optimizer = AdaGrad(lr)"
# step = "w = optimizer.update(w, dw)"
# optimizer = { name = "adagrad", lr = 0.05, eps = 1e-7 }
# [[tool.verifier.layer]]
# name = "Adam"
# setup = "optimizer = Adam(lr)"
# step = "w = optimizer.update(w, dw)"
# optimizer = { name = "adam", lr = 0.01, eps = 1e-8 }
# ///
"""Objects that keep their cache, an im2col convolution, channels last, gradients that show only as a step, and optimisers as classes."""

import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.x, self.dW, self.db = None, None, None

    def forward(self, x):
        self.original_x_shape = x.shape
        self.x = x.reshape(x.shape[0], -1)
        return np.dot(self.x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx.reshape(*self.original_x_shape)


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


def im2col(input_data, filter_h, filter_w, stride=1, pad=0):
    N, C, H, W = input_data.shape
    out_h, out_w = (H + 2 * pad - filter_h) // stride + 1, (W + 2 * pad - filter_w) // stride + 1
    img = np.pad(input_data, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((N, C, filter_h, filter_w, out_h, out_w))
    for y in range(filter_h):
        y_max = y + stride * out_h
        for x in range(filter_w):
            x_max = x + stride * out_w
            col[:, :, y, x, :, :] = img[:, :, y:y_max:stride, x:x_max:stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * out_h * out_w, -1)


def col2im(col, input_shape, filter_h, filter_w, stride=1, pad=0):
    N, C, H, W = input_shape
    out_h, out_w = (H + 2 * pad - filter_h) // stride + 1, (W + 2 * pad - filter_w) // stride + 1
    col = col.reshape(N, out_h, out_w, C, filter_h, filter_w).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad + stride - 1, W + 2 * pad + stride - 1))
    for y in range(filter_h):
        y_max = y + stride * out_h
        for x in range(filter_w):
            x_max = x + stride * out_w
            img[:, :, y:y_max:stride, x:x_max:stride] += col[:, :, y, x, :, :]
    return img[:, :, pad : H + pad, pad : W + pad]


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        out_h = 1 + int((H + 2 * self.pad - FH) / self.stride)
        out_w = 1 + int((W + 2 * self.pad - FW) / self.stride)
        col = im2col(x, FH, FW, self.stride, self.pad)
        col_W = self.W.reshape(FN, -1).T
        out = np.dot(col, col_W) + self.b
        self.x, self.col, self.col_W = x, col, col_W
        return out.reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.col.T, dout).transpose(1, 0).reshape(FN, C, FH, FW)
        return col2im(np.dot(dout, self.col_W.T), self.x.shape, FH, FW, self.stride, self.pad)


class Pooling:
    def __init__(self, pool_h, pool_w, stride=2, pad=0):
        self.pool_h, self.pool_w, self.stride, self.pad = pool_h, pool_w, stride, pad

    def forward(self, x):
        N, C, H, W = x.shape
        out_h, out_w = int(1 + (H - self.pool_h) / self.stride), int(1 + (W - self.pool_w) / self.stride)
        col = im2col(x, self.pool_h, self.pool_w, self.stride, self.pad).reshape(-1, self.pool_h * self.pool_w)
        self.x, self.arg_max = x, np.argmax(col, axis=1)
        return np.max(col, axis=1).reshape(N, out_h, out_w, C).transpose(0, 3, 1, 2)

    def backward(self, dout):
        dout = dout.transpose(0, 2, 3, 1)
        pool_size = self.pool_h * self.pool_w
        dmax = np.zeros((dout.size, pool_size))
        dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
        dmax = dmax.reshape((*dout.shape, pool_size))
        dcol = dmax.reshape(dmax.shape[0] * dmax.shape[1] * dmax.shape[2], -1)
        return col2im(dcol, self.x.shape, self.pool_h, self.pool_w, self.stride, self.pad)


def softmax(x):
    x = x - np.max(x, axis=-1, keepdims=True)
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)


class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t, self.y = t, softmax(x)
        batch_size = self.y.shape[0]
        return -np.sum(np.log(self.y[np.arange(batch_size), t] + 1e-7)) / batch_size

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        share = self.y[np.arange(batch_size), self.t]
        dx[np.arange(batch_size), self.t] -= 1
        return dx * (share / (share + 1e-7))[:, None] * dout / batch_size


class SigmoidWithLoss:
    def forward(self, x, t):
        self.t, self.y = t, 1 / (1 + np.exp(-x))
        return -np.mean(np.where(t, np.log(self.y), np.log(1 - self.y)))

    def backward(self, dout=1):
        return (self.y - self.t) * dout / self.t.shape[0]


class BatchNormalization:
    def __init__(self, gamma, beta, momentum=0.9):
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean, self.running_var = None, None

    def forward(self, x, train_flg=True):
        self.input_shape = x.shape
        if x.ndim != 2:
            x = x.reshape(x.shape[0], -1)
        return self._forward(x, train_flg).reshape(*self.input_shape)

    def _forward(self, x, train_flg):
        if self.running_mean is None:
            self.running_mean, self.running_var = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        if train_flg:
            mu = x.mean(axis=0)
            xc = x - mu
            var = np.mean(xc**2, axis=0)
            std = np.sqrt(var + 10e-7)
            xn = xc / std
            self.batch_size, self.xc, self.xn, self.std = x.shape[0], xc, xn, std
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            xn = (x - self.running_mean) / np.sqrt(self.running_var + 10e-7)
        return self.gamma * xn + self.beta

    def backward(self, dout):
        dx = self._backward(dout.reshape(dout.shape[0], -1))
        return dx.reshape(*self.input_shape)

    def _backward(self, dout):
        dbeta = dout.sum(axis=0)
        dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / self.batch_size) * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        self.dgamma, self.dbeta = dgamma, dbeta
        return dxc - dmu / self.batch_size


class Dropout:
    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio, self.mask = dropout_ratio, None

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
            return x * self.mask
        return x * (1.0 - self.dropout_ratio)

    def backward(self, dout):
        return dout * self.mask


class Embedding:
    def __init__(self, W):
        self.params, self.grads, self.idx = [W], [np.zeros_like(W)], None

    def forward(self, idx):
        self.idx = idx
        return self.params[0][idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class LSTM:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]

    def forward(self, x, h_prev, c_prev):
        Wx, Wh, b = self.params
        H = h_prev.shape[1]
        A = np.dot(x, Wx) + np.dot(h_prev, Wh) + b
        f, g, i, o = sigmoid(A[:, :H]), np.tanh(A[:, H : 2 * H]), sigmoid(A[:, 2 * H : 3 * H]), sigmoid(A[:, 3 * H :])
        c_next = f * c_prev + g * i
        h_next = o * np.tanh(c_next)
        self.cache = (x, h_prev, c_prev, i, f, g, o, c_next)
        return h_next, c_next

    def backward(self, dh_next, dc_next):
        Wx, Wh, b = self.params
        x, h_prev, c_prev, i, f, g, o, c_next = self.cache
        tanh_c_next = np.tanh(c_next)
        ds = dc_next + (dh_next * o) * (1 - tanh_c_next**2)
        dc_prev = ds * f
        di, df, do, dg = ds * g, ds * c_prev, dh_next * tanh_c_next, ds * i
        di, df, do, dg = di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)
        dA = np.hstack((df, dg, di, do))
        self.grads[0][...], self.grads[1][...], self.grads[2][...] = np.dot(x.T, dA), np.dot(h_prev.T, dA), dA.sum(axis=0)
        return np.dot(dA, Wx.T), np.dot(dA, Wh.T), dc_prev


class TimeLSTM:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.layers, self.h, self.c, self.dh = None, None, None, None

    def forward(self, xs):
        N, T, D = xs.shape
        H = self.params[1].shape[0]
        self.layers = []
        hs = np.empty((N, T, H))
        for t in range(T):
            layer = LSTM(*self.params)
            self.h, self.c = layer.forward(xs[:, t, :], self.h, self.c)
            hs[:, t, :] = self.h
            self.layers.append(layer)
        return hs

    def backward(self, dhs):
        N, T, H = dhs.shape
        dxs = np.empty((N, T, self.params[0].shape[0]))
        dh, dc = 0, 0
        grads = [0, 0, 0]
        for t in reversed(range(T)):
            layer = self.layers[t]
            dx, dh, dc = layer.backward(dhs[:, t, :] + dh, dc)
            dxs[:, t, :] = dx
            for i, grad in enumerate(layer.grads):
                grads[i] += grad
        for i, grad in enumerate(grads):
            self.grads[i][...] = grad
        self.dh = dh
        return dxs


class AttentionWeight:
    def forward(self, hs, h):
        N, T, H = hs.shape
        hr = h.reshape(N, 1, H).repeat(T, axis=1)
        self.a = softmax(np.sum(hs * hr, axis=2))
        self.cache = (hs, hr)
        return self.a

    def backward(self, da):
        hs, hr = self.cache
        N, T, H = hs.shape
        dx = self.a * da
        ds = dx - self.a * np.sum(dx, axis=-1, keepdims=True)
        dt = ds.reshape(N, T, 1).repeat(H, axis=2)
        return dt * hr, np.sum(dt * hs, axis=1)


class Descent:
    def __init__(self, learning_rate=0.01):
        self.learning_rate = learning_rate

    def update(self, w, grad_wrt_w):
        return w - self.learning_rate * grad_wrt_w


class Dense:
    def __init__(self, n_units, input_shape=None):
        self.n_units, self.input_shape, self.trainable = n_units, input_shape, True

    def initialize(self, optimizer):
        limit = 1 / np.sqrt(self.input_shape[0])
        self.W = np.random.uniform(-limit, limit, (self.input_shape[0], self.n_units))
        self.w0 = np.zeros((1, self.n_units))
        self.optimizer = optimizer

    def forward_pass(self, X, training=True):
        self.layer_input = X
        return X.dot(self.W) + self.w0

    def backward_pass(self, accum_grad):
        W = self.W
        if self.trainable:
            grad_w = self.layer_input.T.dot(accum_grad)
            grad_w0 = np.sum(accum_grad, axis=0, keepdims=True)
            self.W = self.optimizer.update(self.W, grad_w)
            self.w0 = self.optimizer.update(self.w0, grad_w0)
        return accum_grad.dot(W.T)


class SquareLoss:
    def loss(self, y, y_pred):
        return 0.5 * np.power((y - y_pred), 2)

    def gradient(self, y, y_pred):
        return -(y - y_pred)


class Conv3x3:
    def __init__(self, num_filters):
        self.num_filters = num_filters
        self.filters = np.random.randn(num_filters, 3, 3) / 9

    def iterate_regions(self, image):
        h, w = image.shape
        for i in range(h - 2):
            for j in range(w - 2):
                yield image[i : (i + 3), j : (j + 3)], i, j

    def forward(self, input):
        self.last_input = input
        h, w = input.shape
        output = np.zeros((h - 2, w - 2, self.num_filters))
        for im_region, i, j in self.iterate_regions(input):
            output[i, j] = np.sum(im_region * self.filters, axis=(1, 2))
        return output

    def backprop(self, d_L_d_out, learn_rate):
        d_L_d_filters = np.zeros(self.filters.shape)
        for im_region, i, j in self.iterate_regions(self.last_input):
            for f in range(self.num_filters):
                d_L_d_filters[f] += d_L_d_out[i, j, f] * im_region
        self.filters -= learn_rate * d_L_d_filters


def affine_layer(W, b):
    def forward(x):
        def backprop(dout):
            return dout @ W.T, x.T @ dout, dout.sum(0)

        return x @ W + b, backprop

    return forward


def conv_single_step(a_slice_prev, W, b):
    return np.sum(np.multiply(a_slice_prev, W)) + b.item()


def conv_forward(A_prev, W, b, hparameters):
    m, n_H_prev, n_W_prev, _ = A_prev.shape
    f, n_C = W.shape[0], W.shape[3]
    stride, pad = hparameters["stride"], hparameters["pad"]
    n_H, n_W = int((n_H_prev - f + 2 * pad) / stride) + 1, int((n_W_prev - f + 2 * pad) / stride) + 1
    Z = np.zeros((m, n_H, n_W, n_C))
    A_prev_pad = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    part = A_prev_pad[i, h * stride : h * stride + f, w * stride : w * stride + f, :]
                    Z[i, h, w, c] = conv_single_step(part, W[..., c], b[..., c])
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    m, n_H_prev, n_W_prev, n_C_prev = A_prev.shape
    f = W.shape[0]
    stride, pad = hparameters["stride"], hparameters["pad"]
    m, n_H, n_W, n_C = dZ.shape
    dA_prev, dW, db = np.zeros_like(A_prev), np.zeros_like(W), np.zeros_like(b)
    A_prev_pad = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    dA_prev_pad = np.zeros_like(A_prev_pad)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    place = np.s_[i, h * stride : h * stride + f, w * stride : w * stride + f, :]
                    dA_prev_pad[place] += W[:, :, :, c] * dZ[i, h, w, c]
                    dW[:, :, :, c] += A_prev_pad[place] * dZ[i, h, w, c]
                    db[:, :, :, c] += dZ[i, h, w, c]
        dA_prev[i] = dA_prev_pad[i, pad : pad + n_H_prev, pad : pad + n_W_prev]
    return dA_prev, dW, db


def pool_forward(A_prev, hparameters, mode="max"):
    m, n_H_prev, n_W_prev, n_C = A_prev.shape
    f, stride = hparameters["f"], hparameters["stride"]
    A = np.zeros((m, 1 + (n_H_prev - f) // stride, 1 + (n_W_prev - f) // stride, n_C))
    for i, h, w, c in np.ndindex(A.shape):
        part = A_prev[i, h * stride : h * stride + f, w * stride : w * stride + f, c]
        A[i, h, w, c] = np.max(part) if mode == "max" else np.mean(part)
    return A, (A_prev, hparameters)


def create_mask_from_window(x):
    mask = np.zeros(x.shape, dtype=bool)
    mask[np.unravel_index(x.argmax(), x.shape)] = True
    return mask


def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    stride, f = hparameters["stride"], hparameters["f"]
    dA_prev = np.zeros(A_prev.shape)
    for i, h, w, c in np.ndindex(dA.shape):
        place = np.s_[i, h * stride : h * stride + f, w * stride : w * stride + f, c]
        if mode == "max":
            dA_prev[place] += create_mask_from_window(A_prev[place]) * dA[i, h, w, c]
        else:
            dA_prev[place] += np.ones((f, f)) * dA[i, h, w, c] / (f * f)
    return dA_prev


def linear_forward(A, W, b):
    return np.dot(W, A) + b, (A, W, b)


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    return np.dot(W.T, dZ), 1 / m * np.dot(dZ, A_prev.T), 1 / m * np.sum(dZ, axis=1, keepdims=True)


class SGD:
    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for key in params:
            params[key] -= self.lr * grads[key]


class Momentum:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, None

    def update(self, params, grads):
        if self.v is None:
            self.v = {key: np.zeros_like(val) for key, val in params.items()}
        for key in params:
            self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]
            params[key] += self.v[key]


class AdaGrad:
    def __init__(self, lr=0.01):
        self.lr, self.G, self.eps = lr, None, 1e-7

    def update(self, w, grad_wrt_w):
        if self.G is None:
            self.G = np.zeros(np.shape(w))
        self.G += np.power(grad_wrt_w, 2)
        return w - self.lr * grad_wrt_w / (np.sqrt(self.G) + self.eps)


class Adam:
    def __init__(self, learning_rate=0.001, b1=0.9, b2=0.999):
        self.learning_rate, self.b1, self.b2, self.eps = learning_rate, b1, b2, 1e-8
        self.m, self.v, self.t = None, None, 0

    def update(self, w, grad_wrt_w):
        if self.m is None:
            self.m, self.v = np.zeros(np.shape(grad_wrt_w)), np.zeros(np.shape(grad_wrt_w))
        self.t += 1
        self.m = self.b1 * self.m + (1 - self.b1) * grad_wrt_w
        self.v = self.b2 * self.v + (1 - self.b2) * np.power(grad_wrt_w, 2)
        m_hat = self.m / (1 - self.b1**self.t)
        v_hat = self.v / (1 - self.b2**self.t)
        return w - self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps)
