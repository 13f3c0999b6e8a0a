"""Convolution and pooling, in the operation's usual layout: samples, channels, then rows and columns."""

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.layer.letters import WINDOW, known_as
from verifier.diagnosis.layer.formulas.formula import Formulas, Given, Terms

NO_STRIDE = "forgets the stride: the window of output i begins at i, not at i·stride"


def _said(given: Given, option: str, usual: int) -> int:
    """A whole number among the values, under one of the names that it has."""
    return next((int(given.values[name]) for name in known_as(option) if isinstance(given.values.get(name), int)), usual)


def _convolved_x(given: Given, weight: FloatArray, cut: int | None = None, stride: int = 0) -> FloatArray:
    """dx of a convolution (N C H W and F C K L, or N C L and F C K); `cut`: where the image begins in the padded one, if not at pad."""
    x, c = given.arrays["x"], given.cotangent
    stride, pad = stride or _said(given, "stride", 1), _said(given, "pad", 0)
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
    return {**{says: _convolved_x(given, one) for says, one in found.items()}, **cut, NO_STRIDE: _convolved_x(given, w, stride=1)}


def _convolved_w(given: Given, stride: int = 0) -> FloatArray:
    x, w, c = given.arrays["x"], given.arrays["w"], given.cotangent
    stride, pad = stride or _said(given, "stride", 1), _said(given, "pad", 0)
    padded = np.pad(x, ((0, 0), (0, 0), *(((pad, pad),) * (x.ndim - 2))))
    found = np.zeros(w.shape)
    for place in np.ndindex(*c.shape[2:]):
        window = tuple(slice(begin * stride, begin * stride + length) for begin, length in zip(place, w.shape[2:], strict=True))
        found += np.tensordot(c[(slice(None), slice(None), *place)], padded[(slice(None), slice(None), *window)], (0, 0))
    return found


def _pooled_x(given: Given, *, overwrites: bool = False, masks: str = "") -> FloatArray:
    """dx of max-pooling.

    `overwrites`: each window writes all its pixels, in the place of what the windows before wrote; `masks`: one mask of the whole image,
    to which windows are "added" or in which the last one "stays".
    """
    x, c = given.arrays["x"], given.cotangent
    high, wide = (_said(given, side, 2) for side in WINDOW)
    stride = _said(given, "stride", high)
    places = [np.s_[:, :, i * stride : i * stride + high, j * stride : j * stride + wide] for i, j in np.ndindex(*c.shape[2:])]
    found, shared = np.zeros(x.shape), np.zeros(x.shape)
    for place in places:
        mask = x[place] == x[place].max(axis=(2, 3), keepdims=True)
        shared[place] = mask + (shared[place] if masks == "added" else 0)
    for place, (i, j) in zip(places, np.ndindex(*c.shape[2:]), strict=True):
        mask = shared[place] if masks else x[place] == x[place].max(axis=(2, 3), keepdims=True)
        one = mask * c[:, :, i, j][:, :, None, None]
        found[place] = one if overwrites else found[place] + one
    return found


_CONVOLUTION = Formulas(lambda given: {"the sum over windows": _convolved_x(given, given.arrays["w"])}, _convolved_x_instead)
_FILTER = Formulas(lambda given: {"the sum over windows": _convolved_w(given)}, lambda given: {NO_STRIDE: _convolved_w(given, stride=1)})
_OVERWRITTEN = "is overwritten by the last window over a pixel, where several overlap: add up what each of them gives (+=)"
_SHARED = "has one mask for all windows: where they overlap, each window's maxima take what the others pass back; keep a mask for each"


def _pooled_x_instead(given: Given) -> Terms:
    ways = {"added": f"{_SHARED} (masks are added up)", "stays": f"{_SHARED} (the last window's mask stays)"}
    return {_OVERWRITTEN: _pooled_x(given, overwrites=True), **{says: _pooled_x(given, masks=masks) for masks, says in ways.items()}}


_POOL = Formulas(lambda given: {"the sum over windows": _pooled_x(given)}, _pooled_x_instead)


def _read(given: Given, weight: FloatArray) -> FloatArray:
    """dx of a transposed convolution (N C H W and C F K L): dout read by windows."""
    x, c = given.arrays["x"], given.cotangent
    stride, pad = _said(given, "stride", 1), _said(given, "pad", 0)
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
FORMULAS = {
    **{(name, "x"): _CONVOLUTION for name in ("conv1d", "conv2d")},
    **{(name, "w"): _FILTER for name in ("conv1d", "conv2d")},
    ("conv_transpose2d", "x"): _TRANSPOSED,
    ("max_pool2d", "x"): _POOL,
}
