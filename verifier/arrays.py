"""What the modules call an array in their signatures, an element in their sentences, and a number where JSON has none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
Array = NDArray[Any]


def element_of(name: str, index: Sequence[int] | None) -> str:
    """``weights[1][0, 2]``: an element as its author would write it; the name alone where there is no index."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def norm(array: FloatArray) -> float:
    """The 2-norm of all elements. Not by `np.linalg.norm`, as BLAS starts threads for it, which wait for a core where there is none."""
    with np.errstate(all="ignore"):  # it says infinity of squares that overflow, as that does
        return float(np.sqrt(np.square(array).sum()))


def finite_or_none(value: float) -> float | None:
    """A number for a record, as a Python float; None for NaN and infinity, which JSON does not have."""
    return float(value) if np.isfinite(value) else None
