"""Whether a candidate handles complex numbers while it answers. Backpropagation needs none; differentiation by complex steps lives on them.

Seen in the local variables of the candidate's own functions, as each of them returns. What runs beside untrusted code can be fooled by it:
this is worth a note, never a verdict. Whoever asks must be ready to ask again without, since a profiler can be in the way.
"""

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np

EVENTS = 20_000  # calls and returns that are looked at: some 50 ms, however long the candidate computes
WITHIN = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})  # of no name; the function around them has what they make
ELEMENTS = 16  # of a list, a tuple or a dict of local variables


class ComplexNumbers:
    """Looks at one call of a candidate. `seen` says where the first complex number was; empty where there was none."""

    def __init__(self, owns: Callable[[str], bool]) -> None:
        self.seen = ""
        self._owns = owns
        self._own: dict[str, bool] = {}
        self._left = EVENTS

    def watching(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, looked at while it runs."""

        def watched(*arguments: Any, **keywords: Any) -> Any:
            before = sys.getprofile()
            sys.setprofile(self._look)
            try:
                return function(*arguments, **keywords)
            finally:
                sys.setprofile(before)

        return watched

    def _look(self, frame: FrameType, event: str, _: Any) -> None:
        self._left -= 1
        if event == "return" and frame.f_code.co_name not in WITHIN and self._is_own(frame.f_code.co_filename):
            name = next((name for name, value in list(frame.f_locals.items()) if _is_complex(value)), None)
            if name is not None:
                self.seen = f"{name} in {frame.f_code.co_name}, line {frame.f_code.co_firstlineno}"
        if self.seen or self._left <= 0:
            sys.setprofile(None)

    def _is_own(self, file: str) -> bool:
        if file not in self._own:
            self._own[file] = self._owns(file)
        return self._own[file]


def _is_complex(value: Any) -> bool:
    return any(_is_complex_number(one) for one in (value, *_elements(value)))


def _elements(value: Any) -> Iterator[Any]:
    kind = type(value)
    if kind is list or kind is tuple:
        yield from value[:ELEMENTS]
    elif kind is dict:
        yield from list(value.values())[:ELEMENTS]


def _is_complex_number(value: Any) -> bool:
    kind = type(value)  # not isinstance: an object may lie about its class
    return issubclass(kind, complex | np.complexfloating) or (kind is np.ndarray and value.dtype.kind == "c")
