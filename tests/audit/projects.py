"""Small projects in NumPy alone, which audits of a second or two are made of."""

LAYERS = """
import numpy as np


def affine_forward(x, w):
    return x @ w, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout


class Layer:
    def backward(self, dout):
        raise NotImplementedError


class Dense(Layer):
    def __init__(self, n, m):
        self.W = np.random.default_rng(0).normal(size=(n, m))
        self.dW = np.zeros_like(self.W)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW += self.x.T @ dout
        return dout @ self.W.T
"""

TESTS = """
import numpy as np
from layers import Dense, affine_backward, affine_forward

R = np.random.default_rng(1)
X, DOUT = R.normal(size=(4, 3)), R.normal(size=(4, 2))


def test_affine():
    w = np.array([[0.3, -1.2], [0.7, 2.1], [1.1, 0.4]])
    _, cache = affine_forward(X, w)
    dx, dw = affine_backward(DOUT, cache)
    np.testing.assert_allclose(dx, DOUT @ w.T, rtol=1e-10)


def test_dense():
    layer = Dense(3, 2)
    layer.forward(X)
    np.testing.assert_allclose(layer.backward(DOUT), DOUT @ layer.W.T, rtol=1e-10)
    np.testing.assert_allclose(layer.dW, X.T @ DOUT, rtol=1e-10)
"""

PATTERNS = ("--backward", "layers:*_backward", "--backward", "Layer.backward")
FILES = {"layers.py": LAYERS, "test_layers.py": TESTS}
