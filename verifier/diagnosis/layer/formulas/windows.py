"""Convolution."""

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.formulas.formula import Formulas, Given, Terms


def _convolved_x(given: Given, weight: FloatArray, cut: int | None = None) -> FloatArray:
    """dx of a convolution (N C H W and F C K L, or N C L and F C K); `cut`: where the image begins in the padded one, if not at pad."""
    x, c = given.arrays["x"], given.cotangent
    stride, pad = int(given.values.get("stride", 1)), int(given.values.get("pad", 0))
    if x.ndim == 3:
        flat = _scattered(x[:, :, None], weight[:, :, None], c[:, :, None], stride, (0, pad))
        return np.asarray(flat[:, :, 0])
    return _scattered(x, weight, c, stride, (pad, pad), cut)


def _scattered(x: FloatArray, weight: FloatArray, c: FloatArray, stride: int, pads: tuple[int, int], cut: int | None = None) -> FloatArray:
    down, right = pads
    padded = np.zeros((*x.shape[:2], x.shape[2] + 2 * down, x.shape[3] + 2 * right))
    high, wide = weight.shape[2:]
    for i, j in np.ndindex(*c.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + high, j * stride : j * stride + wide]
        padded[place] += np.tensordot(c[:, :, i, j], weight, (1, 0))
    down, right = pads if cut is None else (cut, cut)
    return np.asarray(padded[:, :, down : down + x.shape[2], right : right + x.shape[3]])


def _convolved_x_instead(given: Given) -> Terms:
    w = given.arrays["w"]
    if w.ndim == 3:
        return {"has the filter turned over": _convolved_x(given, w[:, :, ::-1])}
    found = {"has the filter rotated by 180 degrees": w[:, :, ::-1, ::-1]}
    if w.shape[2] == w.shape[3]:
        found["has the filter's rows and columns exchanged"] = w.transpose(0, 1, 3, 2)
    if w.shape[0] == w.shape[1]:
        found["has the filter's input and output channels exchanged"] = w.transpose(1, 0, 2, 3)
    cut = {"is cut out of the padded image from 0 on, where the image begins at pad": _convolved_x(given, w, cut=0)}
    return {**{says: _convolved_x(given, one) for says, one in found.items()}, **cut}


_CONVOLUTION = Formulas(lambda given: {"the sum over windows": _convolved_x(given, given.arrays["w"])}, _convolved_x_instead)


def _read(given: Given, weight: FloatArray) -> FloatArray:
    """dx of a transposed convolution (N C H W and C F K L): dout read by windows."""
    x, c = given.arrays["x"], given.cotangent
    stride, pad = int(given.values.get("stride", 1)), int(given.values.get("pad", 0))
    padded = np.pad(c, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    found = np.zeros(x.shape)
    high, wide = weight.shape[2:]
    for i, j in np.ndindex(*x.shape[2:]):
        window = padded[:, :, i * stride : i * stride + high, j * stride : j * stride + wide]
        found[:, :, i, j] = np.tensordot(window, weight, ((1, 2, 3), (1, 2, 3)))
    return found


def _read_instead(given: Given) -> Terms:
    w = given.arrays["w"]
    found = {"has the filter rotated by 180 degrees": w[:, :, ::-1, ::-1]}
    if w.shape[0] == w.shape[1]:
        found["has the filter's input and output channels exchanged"] = w.transpose(1, 0, 2, 3)
    return {says: _read(given, one) for says, one in found.items()}


_TRANSPOSED = Formulas(lambda given: {"dout under the filter": _read(given, given.arrays["w"])}, _read_instead)
FORMULAS = {("conv1d", "x"): _CONVOLUTION, ("conv2d", "x"): _CONVOLUTION, ("conv_transpose2d", "x"): _TRANSPOSED}
