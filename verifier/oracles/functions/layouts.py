"""The same numbers in other memory: transposed, with steps between them, with strides of 0. A backward pass is handed all of these."""

from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Layout = Literal["contiguous", "transposed", "stepped", "expanded"]

GARBAGE = 12345.0  # between the steps: whoever reads there shows it


def laid_out(array: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """An array with these numbers in this layout; "expanded" has the first number everywhere, at strides of 0."""
    if array.ndim == 0:
        return array
    if layout == "transposed":
        return np.asfortranarray(array)
    if layout == "stepped":
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), GARBAGE, dtype=array.dtype)
        view: NDArray[Any] = wide[..., ::2]
        view[...] = array
        return view
    if layout == "expanded":
        # Writable, unlike np.broadcast_to: PyTorch warns of arrays that are not, and a warning may be somebody's error.
        return as_strided(array.reshape(-1)[:1].copy(), array.shape, (0,) * array.ndim) if array.size else array
    return array
