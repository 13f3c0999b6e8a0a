# /// script
# [tool.verifier]
# contract = "layer"
# operation = "dropout"
# options = { rate = [0.3, 0.6] }
# setup = "layer = Dropout(rate)"
# forward = ["layer.forward(x)", "out = layer.output"]
# backward = ["layer.backward(dout)", "dx = layer.dinputs"]
# ///
"""The backward pass draws a mask of its own."""

import numpy as np


class Dropout:
    def __init__(self, rate):
        self.kept = 1 - rate

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs * np.random.binomial(1, self.kept, size=inputs.shape) / self.kept

    def backward(self, dvalues):
        self.dinputs = dvalues * np.random.binomial(1, self.kept, size=self.inputs.shape) / self.kept
