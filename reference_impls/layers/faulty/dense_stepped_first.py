# /// script
# [tool.verifier]
# contract = "layer"
# operation = "affine"
# arrays = { x = "N D", W = "D M", b = "1 M" }
# setup = ["layer = Dense(1.0)", "layer.W, layer.b = W.copy(), b.copy()"]
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dW, db = W - layer.W, b - layer.b"]
# ///
"""The weights take their step before they carry dout down."""


class Dense:
    def __init__(self, rate):
        self.rate = rate

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.W = self.W - self.rate * self.x.T @ grad
        self.b = self.b - self.rate * grad.sum(axis=0, keepdims=True)
        return grad @ self.W.T
