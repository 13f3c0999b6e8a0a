"""What a floating type says of two numbers without a measurement: so near that nothing is asked, or beyond the largest one."""

import numpy as np
import torch

from verifier.arrays import Array

NEAR = 16.0  # last bits of the largest element: so near there is nothing to measure


def near(claimed: Array, right: Array, epsilon: float) -> bool:
    """Whether all elements are within a few last bits of the largest one."""
    with np.errstate(all="ignore"):
        allowed = NEAR * epsilon * np.abs(right).max(initial=0.0)
        return bool((np.abs(claimed - right) <= allowed).all())


def overflows(claimed: Array, right: Array, allowed: Array, dtype: torch.dtype) -> bool:
    """Whether no number is claimed, and each right one is beyond the type's largest, or within what it may be off by."""
    with np.errstate(all="ignore"):
        largest = np.abs(right) + allowed
    return bool((~np.isfinite(claimed) & (largest > float(torch.finfo(dtype).max))).all())
