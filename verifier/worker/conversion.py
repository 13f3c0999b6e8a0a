"""What a candidate returned -> plain arrays in the form that was asked for, or one sentence that says why not.

Numbers, (nested) lists, integers and every real float are taken; float16, float32 and float64 keep their dtype, everything else becomes
float64. Values that are not finite pass: the referee judges them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy import array as copied
from numpy import asarray, errstate  # by name: a candidate may replace them
from numpy.typing import NDArray

Form = str | list[Any]  # "array", "arrays", or a list of these for a tuple
KEPT = frozenset(np.dtype(kept) for kept in (np.float16, np.float32, np.float64))
KINDS = {"b": "boolean", "c": "complex", "U": "text", "S": "bytes", "M": "dates", "m": "durations", "V": "records"}


class Refused(Exception):
    """What came back cannot be taken; the text is one sentence without a full stop, from "returned" or the part's name on."""


class Basket:
    """The arrays of one answer, under short names; refuses more than `room` bytes in all."""

    def __init__(self, room: int) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self._room = room

    def add(self, array: NDArray[Any]) -> str:
        """Keep a copy of the array and return its name. Raises Refused where there is no room; never copies first."""
        self._room -= array.size * array.itemsize
        if self._room < 0:
            raise Refused("returned more bytes than an answer may have")
        name = f"a{len(self.arrays)}"
        self.arrays[name] = copied(array, order="C", copy=True, subok=False)
        return name


def pack(value: Any, form: Form, parts: Sequence[str], basket: Basket) -> Any:
    """The value in the given form, its leaves replaced by names of arrays in the basket, or null.

    Args:
        value: what the candidate returned.
        form: "array" (one array or number; None gives null), "arrays" (a list or tuple of arrays; None gives an empty list), "nothing"
            (gives null), or a list of these for a tuple or list of as many parts.
        parts: names of the parts, for messages; may be empty.
        basket: takes the arrays.
    Raises:
        Refused: it cannot be taken; the sentence names the part and the type.
    """
    if isinstance(form, str):
        return _pack_part(value, form, parts[0] if parts else "", basket)
    items = split(value, form, parts)
    kinds = enumerate(zip(items, form, strict=True))
    return [_pack_part(item, str(kind), part_name(index, parts), basket) for index, (item, kind) in kinds]


def split(value: Any, form: Sequence[Any], parts: Sequence[str]) -> Sequence[Any]:
    """The parts of a tuple or list. Raises Refused where it is none, or has another number of parts than the form."""
    names = ", ".join(part_name(index, parts) for index in range(len(form)))
    if not isinstance(value, tuple | list):
        raise Refused(f"returned {described(value)}, expected ({names}){_remedy(value, names)}")
    if len(value) != len(form):
        raise Refused(f"returned {len(value)} parts, expected ({names}){_remedy_of_parts(value, names)}")
    if form[0] == "array" and form[-1] == "arrays" and isinstance(value[0], list | tuple) and isinstance(value[-1], float | np.number):
        raise Refused(f"returned a list first and a number last, expected ({names}): end it with `return {names}`")
    return value


def part_name(index: int, parts: Sequence[str]) -> str:
    """The name of a returned part, as messages give it."""
    return parts[index] if index < len(parts) else f"part {index}"


def to_array(value: Any, name: str) -> NDArray[Any]:
    """The value as an array of float16, float32 or float64. Raises Refused, naming it, where it is no array of real numbers."""
    array = _as_array(value, name)
    if array.dtype in KEPT:
        return array
    with errstate(all="ignore"):
        return _converted(array, value, name)


def subject(name: str) -> str:
    """How a sentence about a returned value begins."""
    return f"returned as {name}" if name else "returned"


def described(value: Any) -> str:
    """A value's type with an article: "a dict", "an ndarray of shape (2, 3)", "None"."""
    if value is None:
        return "None"
    name = type(value).__name__[:80]
    article = "an" if name[:1].lower() in tuple("aeiou") or name == "ndarray" else "a"
    shape = f" of shape {value.shape}" if type(value) is np.ndarray else ""
    return f"{article} {name}{shape}"


def _remedy(value: Any, names: str) -> str:
    """What to write instead of nothing, or of a generator."""
    if value is None:
        return f": end it with `return {names}`, also where it stores them or changes them in place"
    if isinstance(value, Iterator):
        return f": end it with `return {names}`, without yield"
    return f": end it with `return {names}`" if isinstance(value, dict) else ""


def _remedy_of_parts(value: Sequence[Any], names: str) -> str:
    """What to write where a tuple has too few or too many parts; only for the three of a network's gradients."""
    if names.count(",") != 2:
        return ""
    if len(value) == 2:
        return f": end it with `return {names}`, where the loss may be None"
    if len(value) > 3:
        return ": put the weight gradients into one list and the bias gradients into another, first layer first"
    return ""


def _converted(array: NDArray[Any], value: Any, name: str) -> NDArray[Any]:
    if array.dtype.kind == "O":
        return _from_objects(array, value, name)
    if array.dtype.kind not in "iuf":
        raise Refused(f"{subject(name)} {described(value)}: {KINDS.get(array.dtype.kind, str(array.dtype))}, expected real numbers")
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return array.astype(array.dtype.newbyteorder("="))
    return array.astype(np.float64)


def _pack_part(value: Any, kind: str, name: str, basket: Basket) -> Any:
    if kind == "nothing":
        return None
    if kind == "array":
        return None if value is None else basket.add(to_array(value, name))
    if value is None:
        return []
    if not (isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)):
        remedy = ": make it one by list(…)" if isinstance(value, Iterator) else ""
        raise Refused(f"{subject(name)} {described(value)}, expected a list of arrays{remedy}")
    return [None if item is None else basket.add(to_array(item, f"{name}[{index}]")) for index, item in enumerate(value)]


def _as_array(value: Any, name: str) -> NDArray[Any]:
    if isinstance(value, dict | set | frozenset | str | bytes | Iterator):
        raise Refused(f"{subject(name)} {described(value)}, expected an array or a number")
    try:
        return asarray(value)
    except MemoryError:
        raise
    except Exception as error:
        reason = "its rows have different lengths" if "inhomogeneous" in str(error) else f"{type(error).__name__}: {str(error)[:300]}"
        raise Refused(f"{subject(name)} {described(value)} that does not convert to an array ({reason})") from error


def _from_objects(array: NDArray[Any], value: Any, name: str) -> NDArray[Any]:
    try:
        return asarray(array.astype(np.float64))
    except OverflowError as error:
        raise Refused(f"{subject(name)} {described(value)} with an integer beyond the range of float64") from error
    except (TypeError, ValueError) as error:
        inner = next((item for item in array.flat if not isinstance(item, int | float)), None)
        raise Refused(f"{subject(name)} {described(value)} of objects ({described(inner)} among them), expected real numbers") from error
