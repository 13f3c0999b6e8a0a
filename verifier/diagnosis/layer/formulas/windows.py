"""Convolution."""

import numpy as np

from verifier.diagnosis.layer.formulas.formula import Formulas, Given, Terms
from verifier.results.evaluation import FloatArray


def _convolved_x(given: Given, weight: FloatArray) -> FloatArray:
    """dx of a convolution (N C H W, F C K L)."""
    x, c = given.arrays["x"], given.cotangent
    stride, pad = int(given.values["stride"]), given.values["pad"]
    padded = np.zeros((*x.shape[:2], x.shape[2] + 2 * pad, x.shape[3] + 2 * pad))
    high, wide = weight.shape[2:]
    for i, j in np.ndindex(*c.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + high, j * stride : j * stride + wide]
        padded[place] += np.tensordot(c[:, :, i, j], weight, (1, 0))
    return np.asarray(padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]])


def _convolved_x_instead(given: Given) -> Terms:
    w = given.arrays["w"]
    found = {"has the filter rotated by 180 degrees: that belongs to a full convolution of dout, not here": w[:, :, ::-1, ::-1]}
    if w.shape[2] == w.shape[3]:
        found["has the filter's rows and columns exchanged"] = w.transpose(0, 1, 3, 2)
    if w.shape[0] == w.shape[1]:
        found["has the filter's input and output channels exchanged"] = w.transpose(1, 0, 2, 3)
    return {says: _convolved_x(given, one) for says, one in found.items()}


FORMULAS = {
    ("conv2d", "x"): Formulas(lambda given: {"the sum over windows": _convolved_x(given, given.arrays["w"])}, _convolved_x_instead),
}
