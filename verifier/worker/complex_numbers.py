"""Whether a candidate handles complex numbers while it answers. Backpropagation needs none; differentiation by complex steps lives on them.

Seen in the local variables of the candidate's own functions, as each of them returns. What runs beside untrusted code can be fooled by it:
this is worth a note, never a verdict. Whoever asks must be ready to ask again without, since a profiler can be in the way.
"""

from collections.abc import Callable
from functools import cache
from sys import setprofile
from types import FrameType
from typing import Any

import numpy as np

from verifier.worker.watching import profiled

EVENTS = 20_000  # calls and returns that are looked at: some 50 ms, however long the candidate computes
WITHIN = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})  # of no name; the function around them has what they make
ELEMENTS = 16  # of a list, a tuple or a dict of local variables


class ComplexNumbers:
    """Looks at one call of a candidate. `seen` says where the first complex number was; empty where there was none."""

    def __init__(self, owns: Callable[[str], bool]) -> None:
        self.seen = ""
        self._owns = cache(owns)
        self._left = EVENTS

    def watching(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, looked at while it runs."""
        return profiled(function, self._look)

    def _look(self, frame: FrameType, event: str, _: Any) -> None:
        self._left -= 1
        if event == "return" and frame.f_code.co_name not in WITHIN and self._owns(frame.f_code.co_filename):
            name = next((name for name, value in list(frame.f_locals.items()) if _is_complex(value)), None)
            if name is not None:
                self.seen = f"{name} in {frame.f_code.co_name}, line {frame.f_code.co_firstlineno}"
        if self.seen or self._left <= 0:
            setprofile(None)


def _is_complex(value: Any) -> bool:
    """Whether it is a complex number, an array of such, or has one among its first elements."""
    kind = type(value)  # not isinstance: an object may lie about its class
    if kind is list or kind is tuple or kind is dict:
        return any(map(_is_complex_number, (list(value.values()) if kind is dict else value)[:ELEMENTS]))
    return _is_complex_number(value)


def _is_complex_number(value: Any) -> bool:
    return issubclass(type(value), complex | np.complexfloating) or (type(value) is np.ndarray and value.dtype.kind == "c")
