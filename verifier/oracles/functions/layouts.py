"""The same numbers in other memory: transposed, with holes, with strides of 0. A backward pass is handed all of these."""

from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Layout = Literal["contiguous", "transposed", "stepped", "sliced", "expanded", "rows"]

GARBAGE = 12345.0  # in the holes: whoever reads there shows it


def numbers_in(array: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """The numbers that a layout can hold: "expanded" has the first one everywhere, "rows" the first row."""
    if not array.size or not array.ndim or layout not in ("expanded", "rows"):
        return array
    return np.broadcast_to(array[:1] if layout == "rows" else array.reshape(-1)[0], array.shape).copy()


def laid_out(array: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """An array with these numbers (see `numbers_in`) in this layout."""
    if array.ndim == 0 or not array.size:
        return array
    if layout == "transposed":
        return np.asfortranarray(array)
    if layout in ("stepped", "sliced"):
        step, last = (2, 2 * array.shape[-1]) if layout == "stepped" else (1, array.shape[-1] + 1)
        wide = np.full((*array.shape[:-1], last), GARBAGE).astype(array.dtype)
        view: NDArray[Any] = wide[..., : step * array.shape[-1] : step]
        view[...] = array
        return view
    if layout in ("expanded", "rows"):
        # Writable, unlike np.broadcast_to: PyTorch warns of arrays that are not, and a warning may be somebody's error.
        held = np.array(array[:1] if layout == "rows" else array.reshape(-1)[:1])
        return as_strided(held, array.shape, (0,) * array.ndim if layout == "expanded" else (0, *held.strides[1:]))
    return array
