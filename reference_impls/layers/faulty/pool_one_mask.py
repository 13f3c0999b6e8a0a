# /// script
# [tool.verifier]
# contract = "layer"
# operation = "maxpool"
# options = { pool_h = [2, 3], pool_w = [2, 3], stride = [2, 1] }
# setup = "layer = Pooling(pool_h, pool_w, stride)"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# ///
"""The maxima of all windows are kept in one mask of the image: right without overlap."""

import numpy as np


class Pooling:
    def __init__(self, height, width, stride):
        self.height, self.width, self.stride = height, width, stride

    def windows(self, shape):
        for i in range((shape[2] - self.height) // self.stride + 1):
            for j in range((shape[3] - self.width) // self.stride + 1):
                top, left = i * self.stride, j * self.stride
                yield i, j, np.s_[:, :, top : top + self.height, left : left + self.width]

    def forward(self, x):
        self.mask = np.zeros(x.shape)
        down, right = (x.shape[2] - self.height) // self.stride + 1, (x.shape[3] - self.width) // self.stride + 1
        out = np.zeros((*x.shape[:2], down, right))
        for i, j, place in self.windows(x.shape):
            out[:, :, i, j] = x[place].max(axis=(2, 3))
            self.mask[place] += x[place] == out[:, :, i, j][:, :, None, None]
        return out

    def backward(self, dout):
        dx = np.zeros(self.mask.shape)
        for i, j, place in self.windows(dx.shape):
            dx[place] += self.mask[place] * dout[:, :, i, j][:, :, None, None]
        return dx
