"""A function asked in a coarser arithmetic: every result on its way has half of its type's digits, inputs and types are as they were.

Where a function steps, that says whether it does so by itself. floor, a sort, a mask step at the same place, however many digits the rest
has. The stairs of a number that cancelled (1 - cos x) are its rounding: with half of the digits they are a million times as high.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Seen:
    """What was met on the way.

    Attributes:
        epsilon: of the type that the function is asked in.
        results: how many results were made coarser; 0 where the function computes out of sight (in another library, in plain numbers).
        narrow: whether a result came in a narrower type, whose own rounding is not made coarser and looks as if it were meant.
    """

    epsilon: float
    results: int = 0
    narrow: bool = False

    def meet(self, epsilon: float) -> None:
        """Count a result of a type with this epsilon."""
        self.results += 1
        self.narrow = self.narrow or epsilon > self.epsilon


class Coarse(np.ndarray[Any, Any]):
    """An array whose results, and theirs, have half of their digits, noted in `seen`."""

    seen: Seen

    def __array_finalize__(self, made_from: Any) -> None:
        """What is derived from such an array is one, whatever made it: also a cast, which no function below sees."""
        if isinstance(made_from, Coarse) and hasattr(made_from, "seen"):
            self.seen = made_from.seen
            if self.dtype.kind in "fc":
                self.seen.narrow = self.seen.narrow or float(np.finfo(self.dtype).eps) > self.seen.epsilon

    def __getitem__(self, key: Any) -> Any:
        """A single number stays an array, to be seen."""
        found = super().__getitem__(key)
        return found if isinstance(found, np.ndarray) else self._coarsened(found)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        """One elementwise function, product or reduction."""
        plain = [_plain(one) for one in inputs]
        if "out" in keywords:
            keywords["out"] = tuple(_plain(one) for one in keywords["out"])
        if isinstance(keywords.get("where"), Coarse):
            keywords["where"] = _plain(keywords["where"])
        return self._each(getattr(ufunc, method)(*plain, **keywords))

    def __array_function__(self, function: Callable[..., Any], types: Any, arguments: Iterable[Any], keywords: Mapping[str, Any]) -> Any:
        """Any other function of NumPy, from arrays as they are anywhere."""
        return self._each(function(*_plain(tuple(arguments)), **{name: _plain(one) for name, one in keywords.items()}))

    def _each(self, result: Any) -> Any:
        if isinstance(result, tuple | list):
            return type(result)(self._each(one) for one in result) if type(result) in (tuple, list) else result
        return self._coarsened(result) if isinstance(result, np.ndarray | np.inexact) else result

    def _coarsened(self, result: Any) -> Any:
        array = np.asarray(result)
        if array.dtype.kind not in "fc":
            return result
        self.seen.meet(float(np.finfo(array.dtype).eps))
        return coarse(halved(array), self.seen)


def coarse(array: NDArray[Any], seen: Seen) -> Coarse:
    """The array as one whose results are made coarser."""
    made = np.asarray(array).view(Coarse)
    made.seen = seen
    return made


def halved(array: NDArray[Any]) -> NDArray[Any]:
    """The numbers rounded to half of their type's digits (Veltkamp 1968); those too large for it stay as they are."""
    with np.errstate(all="ignore"):
        large = array * array.dtype.type(2 ** (-(-np.finfo(array.dtype).nmant // 2) + 1) + 1)
        rounded = large - (large - array)
        return np.where(np.isfinite(rounded), rounded, array)


def _plain(value: Any) -> Any:
    if isinstance(value, Coarse):
        return value.view(np.ndarray)
    if type(value) in (tuple, list):
        return type(value)(_plain(one) for one in value)
    return value
