"""Whole numbers in a candidate's own code that may be sizes at which it changes its way: tiles, chunks, thresholds."""

import contextlib
import dis
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

LEAST, MOST = 5, 4096
SEVERAL = 6  # the first that are met
DEEPEST = 4  # calls that are followed
LIBRARIES = ("torch", "numpy", "jax")  # whose numbers say nothing of anybody's sizes


def constants_of(function: Callable[..., Any]) -> tuple[int, ...]:
    """The constants of a function's code and of what it calls in its own package, each once; none where it has no code to be read."""
    found: dict[int, None] = {}
    seen: set[int] = set()
    for code, names in _codes(function, seen, DEEPEST):
        for value in (*_integers(code), *(value for value in names.values() if type(value) is int)):
            if LEAST <= value <= MOST:
                found[value] = None
    return tuple(found)[:SEVERAL]


def integers_in(function: Callable[..., Any]) -> frozenset[int]:
    """Every whole number that stands in the same code."""
    return frozenset(value for code, _ in _codes(function, set(), DEEPEST) for value in _integers(code))


def _codes(function: Any, seen: set[int], depth: int) -> Iterator[tuple[CodeType, dict[str, Any]]]:
    """The code of a function, with what its global and enclosed names stand for, and its defaults; then of the functions among these."""
    function = inspect.unwrap(function) if callable(function) else function
    if isinstance(function, type):
        for name in ("forward", "backward", "setup_context", "__call__"):
            yield from _codes(inspect.getattr_static(function, name, None), seen, depth)
        return
    owner = getattr(function, "__self__", None)
    if owner is not None and not inspect.ismodule(owner):
        yield from _codes(owner if isinstance(owner, type) else type(owner), seen, depth)
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType) or id(function) in seen or depth == 0:
        return
    package = str(function.__module__).split(".")[0]  # None of code that was written by code
    if package in LIBRARIES:
        return
    seen.add(id(function))
    # Of comprehensions and inner functions too, in the order of the code.
    inside = dict.fromkeys(name for code in _inside(function.__code__) for name in code.co_names if name in function.__globals__)
    defaults = {name: one.default for name, one in inspect.signature(function).parameters.items()}
    names = {**{name: function.__globals__[name] for name in inside}, **_enclosed(function), **defaults}
    yield function.__code__, names
    for value in names.values():
        if str(getattr(value, "__module__", "")).split(".")[0] == package:
            yield from _codes(value, seen, depth - 1)


def _enclosed(function: FunctionType) -> dict[str, Any]:
    """What the names around a function stand for; without those that hold nothing, of a branch that was not taken."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):
            found[name] = cell.cell_contents
    return found


def _integers(code: CodeType) -> Iterator[int]:
    """Whole numbers that the code loads, in order, those of functions inside of it too."""
    for one in _inside(code):
        for instruction in dis.get_instructions(one):
            values = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
            if instruction.opname in ("LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST"):
                yield from (value for value in values if type(value) is int)


def _inside(code: CodeType) -> Iterator[CodeType]:
    """The code, then that of functions inside of it, whole."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _inside(constant)
