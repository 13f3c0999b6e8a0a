# /// script
# [tool.verifier]
# contract = "layer"
# operation = "conv2d"
# options = { stride = [1, 2], pad = [0, 1] }
# setup = "layer = Convolution(w, b, stride, pad)"
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dw, db = layer.dW, layer.db"]
# ///
"""The product of the columns has filters last, and is reshaped as if they stood first: the transpose is missing."""

import numpy as np


class Convolution:
    def __init__(self, W, b, stride, pad):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad

    def forward(self, x):
        filters, channels, high, wide = self.W.shape
        padded = np.pad(x, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        down, right = (padded.shape[2] - high) // self.stride + 1, (padded.shape[3] - wide) // self.stride + 1
        columns = np.zeros((len(x), down, right, channels, high, wide))
        for i in range(down):
            for j in range(right):
                top, left = i * self.stride, j * self.stride
                columns[:, i, j] = padded[:, :, top : top + high, left : left + wide]
        self.shape, self.columns = padded.shape, columns.reshape(len(x) * down * right, -1)
        out = self.columns @ self.W.reshape(filters, -1).T + self.b
        return out.reshape(len(x), down, right, filters).transpose(0, 3, 1, 2)

    def backward(self, dout):
        filters, channels, high, wide = self.W.shape
        batch, _, down, right = dout.shape
        flat = dout.transpose(0, 2, 3, 1).reshape(-1, filters)
        self.db = flat.sum(axis=0)
        self.dW = (self.columns.T @ flat).reshape(self.W.shape)
        patches = (flat @ self.W.reshape(filters, -1)).reshape(batch, down, right, channels, high, wide)
        back = np.zeros(self.shape)
        for i in range(down):
            for j in range(right):
                top, left = i * self.stride, j * self.stride
                back[:, :, top : top + high, left : left + wide] += patches[:, i, j]
        return back[:, :, self.pad : self.shape[2] - self.pad, self.pad : self.shape[3] - self.pad]
