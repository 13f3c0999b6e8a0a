"""What one call of a candidate sets, line by line, and what it answers where other values are put in their place.

Between two lines of a function of the candidate's own files its local variables are read, with the lists, dictionaries and objects in them.
What is new there, or has other bytes, was *set* by the line. A *slot* is a place in the source where something is set: file, line, and the
variable with every index left open, so that a line in a loop is one slot. What is put into a slot is a copy, chosen by the shape of what
is there: in a network of unequal layers the shape says which layer it is. Where several fit, they go there one after another.

What a function is given is set too, by the line that calls it, as `sigmoid(z)`; and so is an array that it returns without a name, since
its caller gets the same array. Whoever is watched may switch this off or forge what it sees: it serves a hint, after the verdict.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from sys import settrace
from types import FrameType
from typing import Any

import numpy as np
from numpy import asarray
from numpy.typing import NDArray

from verifier.worker.conversion import Basket, Refused
from verifier.worker.watching import traced

Array = NDArray[Any]
Owner = tuple[Any, Any] | None  # the container or namespace and the key in it; None where the leaf cannot be put elsewhere

LINES = 20_000  # after so many lines the rest of the call is not watched
SETTINGS = 2_000  # recorded in one call
LEAVES = 300  # looked at in one function's variables
ELEMENTS = 4_096  # of an array that is looked at
DEPTH = 4  # of containers within containers
NAMED = 200  # characters of a slot's name
RETURNED = "return"


@dataclass(frozen=True)
class Leaf:
    """A value in a function's variables: the way to it, the slot's name, who holds it."""

    path: str
    slot: str
    value: Any
    owner: Owner


@dataclass
class _Watched:
    """A function that runs: the line that it is on, if that is looked at, and its variables before it."""

    line: int = 0
    before: dict[str, tuple[Any, Any]] = field(default_factory=dict)


class Tracing:
    """Watches one call. What it is to put, by slot (file, line, name) and shape of what is there: arrays, one after another."""

    def __init__(self, owns: Callable[[str], bool], asked: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        self._owns = cache(owns)
        self._record = bool(asked["record"])
        self._put: dict[tuple[str, int, str], dict[tuple[int, ...], list[Array]]] = {}
        for one in asked["put"]:
            choices = {tuple(shape): [arrays[name] for name in names] for shape, names in one["choices"]}
            self._put.setdefault((one["file"], one["line"], one["slot"]), {}).update(choices)
        self._lines = {(file, line) for file, line, _ in self._put}
        self._frames: dict[int, _Watched] = {}
        self._settings: list[tuple[str, int, str, Leaf]] = []
        self._left = LINES
        self._whole = True

    def watching(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, watched while it runs."""
        return traced(function, self._called)

    def as_message(self, basket: Basket) -> dict[str, Any]:
        """What was set, in order: file, line, function, path, slot and the array's name; and whether that is all of it."""
        files = list(dict.fromkeys(file for file, *_ in self._settings))
        rows = []
        for file, line, function, leaf in self._settings:
            try:
                rows.append(
                    [files.index(file), line, function[:NAMED], leaf.path[:NAMED], leaf.slot[:NAMED], basket.add(asarray(leaf.value))]
                )
            except Refused:
                return {"files": files, "settings": rows, "whole": False}
        return {"files": files, "settings": rows, "whole": self._whole}

    def _called(self, frame: FrameType, event: str, _: Any) -> Any:
        if event != "call" or not self._owns(frame.f_code.co_filename):
            return None
        if frame.f_code.co_name.startswith("<") and frame.f_code.co_name != "<lambda>":
            return None  # a comprehension: what it makes is the variable of the function around it
        self._frames[id(frame)] = _Watched()
        try:
            self._given(frame)
        except Exception:  # a variable that cannot be read or written
            self._stop()
        return self._went_on

    def _given(self, frame: FrameType) -> None:
        """What a function is given by a line of the candidate's: set by that line."""
        caller, name = frame.f_back, frame.f_code.co_name
        if caller is None or id(caller) not in self._frames or not self._looks_at(caller.f_code.co_filename, caller.f_lineno):
            return
        count = frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount
        given, variables = frame.f_code.co_varnames[:count], frame.f_locals
        for argument in given:
            if argument in variables and _is_leaf(variables[argument]):
                slot = f"{name}({argument})"
                self._set(caller, caller.f_lineno, Leaf(slot, slot, variables[argument], (variables, argument)), alone=False)

    def _went_on(self, frame: FrameType, event: str, argument: Any) -> Any:
        try:
            if event == "line" or event == "return":
                self._left -= 1
                self._look(frame, event, argument)
        except Exception:  # a variable that cannot be read or written
            self._stop()
        if self._left <= 0:
            self._stop()
        return self._went_on

    def _stop(self) -> None:
        self._whole = False
        settrace(None)

    def _look(self, frame: FrameType, event: str, argument: Any) -> None:
        """Between two lines, or at the end. Variables are read once: before Python 3.13 reading again undoes what was written."""
        watched = self._frames[id(frame)]
        file, ended, begins = frame.f_code.co_filename, watched.line, frame.f_lineno
        follows = event == "line" and self._looks_at(file, begins)
        if ended or follows or (event == "return" and self._looks_at(file, begins)):
            variables = frame.f_locals
            leaves = list(_leaves(variables, self._is_own_class))
            if ended:
                self._settle(frame, ended, leaves, watched.before)
            if event == "return" and self._looks_at(file, begins):
                self._return(frame, begins, argument, leaves)
            if follows:
                again = _leaves(variables, self._is_own_class) if ended and self._put else leaves
                watched.before = {leaf.path: (leaf.value, _digest(leaf.value)) for leaf in again}
        watched.line = begins if follows else 0
        if event == "return":
            self._frames.pop(id(frame), None)

    def _looks_at(self, file: str, line: int) -> bool:
        return self._record or (file, line) in self._lines

    def _settle(self, frame: FrameType, line: int, leaves: Sequence[Leaf], before: Mapping[str, tuple[Any, Any]]) -> None:
        """What the line set, each recorded and replaced where something is to be put there."""
        known = {id(value) for value, _ in before.values()}
        for leaf in leaves:
            value, digest = before.get(leaf.path, (None, None))
            same = value is leaf.value
            if same and digest == _digest(leaf.value):
                continue
            if not same and id(leaf.value) in known and leaf.path.endswith("]"):
                continue  # moved within its list
            self._set(frame, line, leaf, alone=same or id(leaf.value) not in known)

    def _return(self, frame: FrameType, line: int, value: Any, leaves: Sequence[Leaf]) -> None:
        """Arrays that are returned and have no name here."""
        named = {id(leaf.value) for leaf in leaves}
        parts = [(RETURNED, value)]
        if type(value) in (tuple, list):
            parts = [(f"{RETURNED}[{position}]", part) for position, part in enumerate(value)]
        for path, part in parts:
            for leaf in _leaves({path: part}, self._is_own_class):
                free = leaf.owner is not None and leaf.path != path  # in a list or a dictionary, where another can stand in its place
                if type(leaf.value) is np.ndarray and id(leaf.value) not in named and (free or _is_free(leaf.value)):
                    self._set(frame, line, leaf if free else replace(leaf, owner=None), alone=True)

    def _set(self, frame: FrameType, line: int, leaf: Leaf, *, alone: bool) -> None:
        code = frame.f_code
        if self._record and len(self._settings) < SETTINGS:
            kept = leaf.value.copy() if type(leaf.value) is np.ndarray else leaf.value
            self._settings.append((code.co_filename, line, code.co_name, Leaf(leaf.path, leaf.slot, kept, None)))
        elif self._record:
            self._whole = False
        choices = self._put.get((code.co_filename, line, leaf.slot), {}).get(np.shape(leaf.value))
        if not choices:
            return
        choice = choices.pop(0) if len(choices) > 1 else choices[0]
        is_array = type(leaf.value) is np.ndarray
        if is_array and alone and _is_free(leaf.value) and choice.shape == leaf.value.shape:
            leaf.value[...] = choice  # whoever else has got this array from the line has the right one too
        elif leaf.owner is not None:
            holder, key = leaf.owner
            holder[key] = choice.astype(getattr(leaf.value, "dtype", choice.dtype)) if is_array or choice.ndim else type(leaf.value)(choice)

    def _is_own_class(self, kind: type) -> bool:
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        return isinstance(file, str) and self._owns(file)


def _leaves(variables: Any, is_own_class: Callable[[type], bool]) -> Iterator[Leaf]:
    """Every number and array of reals in a function's variables, a few levels deep; each container once."""
    waiting: list[tuple[str, str, Any, Owner, int]] = [
        (name, name, value, (variables, name), 0) for name, value in list(variables.items()) if name[:1] != "."
    ]
    waiting.reverse()
    seen: set[int] = set()
    found = 0
    while waiting and found < LEAVES:
        path, slot, value, owner, depth = waiting.pop()
        if _is_leaf(value):
            found += 1
            yield Leaf(path, slot, value, owner)
        elif depth < DEPTH and id(value) not in seen:
            inside = list(_inside(value, is_own_class))[:LEAVES]
            if inside:
                seen.add(id(value))
            waiting.extend((path + way, slot + _opened(way), part, holder, depth + 1) for way, part, holder in reversed(inside))


def _inside(value: Any, is_own_class: Callable[[type], bool]) -> Iterator[tuple[str, Any, Owner]]:
    """The parts of a container: the way to each, and who holds it (a tuple holds nothing that could be replaced)."""
    kind = type(value)
    if kind is list or kind is tuple:
        yield from ((f"[{position}]", part, (value, position) if kind is list else None) for position, part in enumerate(value[:LEAVES]))
    elif kind is dict:
        yield from ((f"[{key!r}]", part, (value, key)) for key, part in value.items() if type(key) in (str, int))
    elif is_own_class(kind) and type(own := getattr(value, "__dict__", None)) is dict:
        yield from ((f".{name}", part, (own, name)) for name, part in own.items())


def _opened(way: str) -> str:
    """An index left open: `[3]` -> `[#]`, `['W3']` -> `['W#']`; attributes as they are."""
    return re.sub(r"\d+", "#", way) if way[0] == "[" else way


def _is_leaf(value: Any) -> bool:
    kind = type(value)
    if kind is np.ndarray:
        return bool(value.dtype.kind == "f" and 0 < value.size <= ELEMENTS)
    return kind is float or issubclass(kind, np.floating)


def _is_free(array: Array) -> bool:
    """Whether an array can be written to without writing into another one."""
    return array.base is None and bool(array.flags.writeable)


def _digest(value: Any) -> Any:
    return (value.shape, value.tobytes()) if type(value) is np.ndarray else repr(value)
