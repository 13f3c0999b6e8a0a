"""Arrays of JAX: examples may be such, and a function that computes in float32, as JAX does unless it is told, is judged in float32."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from verifier.oracles.functions.nests import leaves

NARROWER = 'it computes in float32 and is judged in it; jax.config.update("jax_enable_x64", True) makes it float64'
NARROW = {np.dtype(np.float64): np.dtype(np.float32), np.dtype(np.complex128): np.dtype(np.complex64)}


def as_jax_computes(
    function: Callable[..., Any], examples: Sequence[Any], options: Mapping[str, Sequence[Any]]
) -> tuple[tuple[Any, ...], str]:
    """The examples as NumPy's arrays, in float32 where a function of JAX answers in that; and a note, "" where nothing was changed."""
    plain = tuple(np.asarray(one) if _is_jax(one) else one for one in examples)
    if not any(isinstance(one, np.ndarray) and one.dtype in NARROW for one in plain):
        return plain, ""
    try:
        answer = function(*(one.copy() if isinstance(one, np.ndarray) else one for one in plain), **{n: v[0] for n, v in options.items()})
    except Exception:  # what it raises is said elsewhere
        return plain, ""
    outputs = [one for _, one in leaves("", answer)]
    kinds = {np.asarray(one).dtype for one in outputs if _is_jax(one) and np.asarray(one).dtype.kind in "fc"}
    if not kinds or not all(_is_jax(one) for one in outputs) or not kinds <= set(NARROW.values()):
        return plain, ""
    return tuple(one.astype(NARROW.get(one.dtype, one.dtype)) if isinstance(one, np.ndarray) else one for one in plain), NARROWER


def _is_jax(value: object) -> bool:
    return type(value).__module__.split(".")[0] in ("jax", "jaxlib")
