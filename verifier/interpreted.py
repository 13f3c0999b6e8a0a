"""Triton's CPU interpreter, where it is loaded, made to compute what a GPU does.

It cuts the digits that bfloat16 has no room for, while every GPU rounds to nearest; and it has no functions of libdevice. A kernel may hold
such a function by its own name, so that its code is exchanged, not the name in its module.
"""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

INTERPRETER = "triton.runtime.interpreter"
LIBDEVICE = "triton.language.extra.libdevice"

_NUMPY = """
    abs floor ceil trunc rint sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin=arcsin acos=arccos atan=arctan sinh cosh tanh
    asinh=arcsinh acosh=arccosh atanh=arctanh atan2=arctan2 hypot pow=power fmod remainder copysign nextafter fdim=subtract nearbyint=rint
    fast_expf=exp fast_logf=log fast_log2f=log2 fast_log10f=log10 fast_sinf=sin fast_cosf=cos fast_tanf=tan fast_powf=power
    fast_dividef=divide div_rn=divide mul_rn=multiply add_rn=add sub_rn=subtract sqrt_rn=sqrt
""".split()  # noqa: SIM905
_OTHERS: dict[str, Callable[..., Any]] = {
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "rsqrt_rn": lambda x: 1 / np.sqrt(x),
    "rcp_rn": lambda x: 1 / x,
    "exp10": lambda x: 10.0**x,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "erfc": np.vectorize(math.erfc, otypes=[np.float64]),
    "lgamma": np.vectorize(math.lgamma, otypes=[np.float64]),
    "tgamma": np.vectorize(math.gamma, otypes=[np.float64]),
    "fma": lambda x, y, z: x * y + z,
    "fma_rn": lambda x, y, z: x * y + z,
    "saturatef": lambda x: np.clip(x, 0, 1),
    "fdim": lambda x, y: np.maximum(x - y, 0),
}


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """Within, the interpreter rounds and knows libdevice; nothing where there is no interpreter."""
    undo = arrange()
    try:
        yield
    finally:
        for step in undo:
            step()


def arrange() -> list[Callable[[], None]]:
    """Do the same for good; what comes back takes it back."""
    interpreter: Any = sys.modules.get(INTERPRETER)
    if not hasattr(interpreter, "_convert_float"):
        return []
    convert = interpreter._convert_float

    def rounded(values: Any, source: Any, target: Any, mode: Any) -> Any:
        return nearest(values) if (str(source), str(target)) == ("fp32", "bf16") else convert(values, source, target, mode)

    interpreter._convert_float = rounded
    undo = [lambda: setattr(interpreter, "_convert_float", convert)]
    libdevice = sys.modules.get(LIBDEVICE)
    return undo if libdevice is None else [*undo, *_with_functions(libdevice, interpreter)]


def nearest(values: Any) -> NDArray[np.uint16]:
    """bfloat16's bits of numbers in float32, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    up = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.where(np.isnan(bits.view(np.float32)), np.uint32(0x7FC0), up >> np.uint32(16)).astype(np.uint16)


def _with_functions(libdevice: ModuleType, interpreter: Any) -> list[Callable[[], None]]:
    """Give the stubs a body; without a GPU they have none."""
    known: dict[str, Callable[..., Any]] = {}
    for entry in _NUMPY:
        name, _, other = entry.partition("=")
        known[name] = getattr(np, other or name)
    undo: list[Callable[[], None]] = []
    for name, compute in {**known, **_OTHERS}.items():
        stub: Any = getattr(libdevice, name, None)
        if hasattr(stub, "__code__"):
            undo.append(_exchange(stub, _elementwise(compute, interpreter)))
    return undo


def _called(*arguments, own, **_):  # type: ignore[no-untyped-def]  # a stub's body afterwards, with `own` as its default
    return own(*arguments)


def _exchange(stub: Any, own: Callable[..., Any]) -> Callable[[], None]:
    code, defaults = stub.__code__, stub.__kwdefaults__
    stub.__code__, stub.__kwdefaults__ = _called.__code__, {"own": own}

    def back() -> None:
        stub.__code__, stub.__kwdefaults__ = code, defaults

    return back


def _elementwise(compute: Callable[..., Any], interpreter: Any) -> Callable[..., Any]:
    """A function of the interpreter's tensors, or of numbers."""

    def of_tensors(*arguments: Any) -> Any:
        first = next((one for one in arguments if hasattr(one, "handle")), None)
        values = [one.handle.data if hasattr(one, "handle") else one for one in arguments]
        with np.errstate(all="ignore"):
            found = np.asarray(compute(*values))
        if first is None:
            return found.item()
        handle = interpreter.TensorHandle(found.astype(first.handle.data.dtype), first.dtype.scalar)
        kind = first.type if found.shape == first.handle.data.shape else next(one.type for one in arguments if one.handle.data.size > 1)
        return type(first)(handle, kind)

    return of_tensors
