"""A forward pass asked otherwise: one of its operations is changed, and differences of the outputs are the gradient of that mistake.

Each call of NumPy on what depends on the inputs is an *event*; the events of one place in the candidate's source, a loop's too, are a
*site*. A pass at the problem itself records the events' operands and results. A *change* says what a site does beside that point: it holds
its result or an operand where it was, so that nothing comes back through it; takes another factor, such as one that is turned over or an
array made elsewhere; lets through what its derivative should scale; or takes its statistics over other axes. Values are never traced
through plain lists and numbers: what is not seen is not changed. All of it serves a hint, after the verdict.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy import asarray, zeros  # by name: while a pass is watched, NumPy has others
from numpy.typing import NDArray

Array = NDArray[Any]
Place = tuple[str, int, int, int, int]  # file, line, last line, column, last column
Site = tuple[tuple[Place, ...], str]  # innermost first, and the operation's name
Change = tuple[Any, ...]

STATEMENT = "<forward>"  # the file name of what calls a candidate's forward pass
EVENTS = 2_000  # of one pass; in a longer one nothing is changed
ELEMENTS = 4_096  # of an operand that is recorded
DEEPEST = 6  # frames of a site
BILINEAR = ("multiply", "matmul", "dot", "einsum", "outer", "tensordot", "inner", "divide", "true_divide")
MAKING = ("zeros", "empty", "ones", "full", "array", "asarray", "ascontiguousarray")


class OtherwayError(Exception):
    """The pass went another way than the one that was recorded, or cannot be changed so."""


@dataclass
class Event:
    """One call: where, its arrays, how to make it again from others, and what it gave."""

    site: Site
    frame: int
    operands: list[Array]
    again: Callable[[Sequence[Array]], Any]
    result: Array
    axis: tuple[int, ...] | None = None
    kept: bool = False
    given: Array = field(default_factory=lambda: zeros(0))
    """What it gave under a change."""


@dataclass
class Pass:
    """One forward pass: recorded where there is no `base`, else changed."""

    owns: Callable[[str], bool]
    base: "Pass | None" = None
    change: Change | None = None
    inputs: Mapping[str, Array] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    of_site: dict[Site, list[int]] = field(default_factory=dict)
    of_frame: dict[int, list[int]] = field(default_factory=dict)
    _frames: dict[int, tuple[int, Any]] = field(default_factory=dict)
    """By its id. They are held: else one that comes later may be taken for one that has ended."""

    def seen(self, name: str, operands: Sequence[Any], again: Callable[[Sequence[Array]], Any], result: Any, axis: Any, kept: bool) -> Any:
        """The result of a call, as the change has it."""
        array = asarray(result)
        if array.dtype.kind != "f":
            return result
        arrays, at = [asarray(one) for one in operands], len(self.events)
        if at >= EVENTS or max([array.size, *(one.size for one in arrays)]) > ELEMENTS:
            raise OtherwayError
        if self.base is None:
            places, frame = self._places()
            kept_arrays, site = [one.copy() for one in arrays], (places, name)
            self.events.append(Event(site, frame, kept_arrays, again, array.copy(), _axes(axis, arrays[0].ndim if arrays else 0), kept))
            if places:
                self.of_site.setdefault(site, []).append(at)
                self.of_frame.setdefault(frame, []).append(at)
            return probed(array, self)
        if at >= len(self.base.events) or self.base.events[at].site[1] != name:
            raise OtherwayError
        was = self.base.events[at]
        event = Event(was.site, was.frame, arrays, again, array, was.axis, was.kept)
        self.events.append(event)
        event.given = _changed(event, at, self) if was.site[0] else array
        return probed(event.given, self)

    def _places(self) -> tuple[tuple[Place, ...], int]:
        frame: Any = sys._getframe(2)
        places, innermost = list[Place](), 0
        while frame is not None and len(places) < DEEPEST and frame.f_code.co_filename != STATEMENT:
            if self.owns(frame.f_code.co_filename):
                if not places:
                    innermost = self._frames.setdefault(id(frame), (len(self._frames), frame))[0]
                places.append(_position(frame.f_code, frame.f_lasti))
            frame = frame.f_back
        return tuple(places), innermost


@cache
def _position(code: Any, last: int) -> Place:
    line, end, column, end_column = list(code.co_positions())[last // 2]
    return (str(code.co_filename), line or 0, end or 0, column or 0, end_column or 0)


def _axes(axis: Any, rank: int) -> tuple[int, ...] | None:
    if axis is None or not rank:
        return None
    try:
        return tuple(sorted(int(one) % rank for one in (axis if isinstance(axis, tuple | list) else (axis,))))
    except TypeError:
        return None


def _changed(event: Event, at: int, doing: Pass) -> Array:
    """What an event gives under the pass's change."""
    assert doing.base is not None and doing.change is not None
    kind, site, *how = doing.change
    was = doing.base.events[at]
    if kind == "axes":
        return _over_other_axes(event, was, how[1]) if was.kept and was.axis == how[0] else event.result
    if kind == "call":
        ours = doing.base.of_frame[was.frame]
        if was.site[0][1:] != site[0] or at != ours[-1]:
            return event.result
        return _let_through(was.result, doing.base.events[ours[0]].operands[0], doing.events[ours[0]].operands[0], how[0])
    if kind == "factors":
        place = next(
            (one for one, array in enumerate(was.operands) if is_factor(was, one) and is_alike(array, site, how[1], doing.base)), -1
        )
        return event.result if place < 0 else _with_factor(event, was, 1 - place, place, how[2], at, doing)
    if was.site != site:
        return event.result
    if kind == "between":
        inner = doing.base.of_site[how[0]][doing.base.of_site[site].index(at)]
        return _let_through(was.result, doing.base.events[inner].result, doing.events[inner].given, how[1])
    if kind == "once":
        return np.where(last_of_each(was), event.result, was.result)
    if kind == "hold" and how[0] < 0:
        return was.result
    if kind == "hold":
        return asarray(event.again(_with(event.operands, {how[0]: was.operands[how[0]]})))
    if kind == "derivative":
        return _let_through(was.result, was.operands[0], event.operands[0], how[0])
    if kind == "unselected":
        moved = event.operands[0] - was.operands[0]
        return asarray(was.result + moved.sum(axis=event.axis, keepdims=was.result.ndim == moved.ndim))
    return _with_factor(event, was, how[0], how[1], how[2], at, doing)


def _with_factor(event: Event, was: Event, operand: int, other: int, by: Sequence[Any], at: int, doing: Pass) -> Array:
    """A product whose one operand moves as if it were multiplied by something else than the other."""
    here = was.operands[operand]
    instead = _factor(by, was.operands[other], was.site, at, doing)
    rest = _with(event.operands, {operand: event.operands[operand] - here, other: instead})
    carried: Array = event.again(_with(event.operands, {operand: here}))
    return asarray(asarray(carried) + asarray(event.again(rest)))


def is_factor(event: Event, operand: int) -> bool:
    """Whether an event is a product, of which this operand may be another one."""
    product = event.site[1] in BILINEAR and len(event.operands) == 2 and all(one.dtype.kind == "f" for one in event.operands)
    return product and (operand == 1 or "divide" not in event.site[1])


def is_alike(array: Array, site: Site, operand: int, base: Pass) -> bool:
    """Whether an operand is the same array as that of a site."""
    return any(_same(array, base.events[at].operands[operand]) for at in base.of_site[site])


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def last_of_each(event: Event) -> Array:
    """Of the elements that indices pick, the last of those that are the same one of the array."""
    picked = asarray(event.again([np.arange(event.operands[0].size).reshape(event.operands[0].shape)])).ravel()
    _, from_the_end = np.unique(picked[::-1], return_index=True)
    last = np.zeros_like(picked, dtype=bool)
    last[picked.size - 1 - from_the_end] = True
    return asarray(last.reshape(event.result.shape))


def _with(operands: Sequence[Array], others: Mapping[int, Array]) -> list[Array]:
    return [others.get(index, one) for index, one in enumerate(operands)]


def _let_through(result: Array, was: Array, now: Array, by: str) -> Array:
    """As if the derivative were 1, the value itself, or 1 less the value."""
    scale = {"one": np.ones_like(result), "value": result, "complement": 1 - result}[by]
    return asarray(result + scale * (now - was))


def _over_other_axes(event: Event, was: Event, axes: tuple[int, ...]) -> Array:
    """The change of a statistic as it would be over these axes."""
    x, moved, name = was.operands[0], event.operands[0] - was.operands[0], was.site[1]
    if name in ("sum", "add.reduce"):
        return asarray(was.result + moved.sum(axis=axes, keepdims=True))
    if name == "mean":
        return asarray(was.result + moved.mean(axis=axes, keepdims=True))
    of_variance = 2 * ((x - x.mean(axis=was.axis, keepdims=True)) * moved).mean(axis=axes, keepdims=True)
    return asarray(was.result + (of_variance if name == "var" else of_variance / (2 * was.result)))


def _factor(by: Sequence[Any], factor: Array, site: Site, at: int, doing: Pass) -> Array:
    """What stands in the place of a factor."""
    base, kind, rest = doing.base, by[0], by[1:]
    assert base is not None
    if kind == "flip":
        return np.flip(factor, rest[0])
    if kind == "shift":
        shifted, length = np.zeros_like(factor), factor.shape[rest[0]]
        there, here = slice(max(rest[1], 0), length + min(rest[1], 0)), slice(max(-rest[1], 0), length - max(rest[1], 0))
        np.moveaxis(shifted, rest[0], 0)[there] = np.moveaxis(factor, rest[0], 0)[here]
        return shifted
    if kind == "swap":
        return np.swapaxes(factor, *rest)
    if kind == "array":
        return asarray(doing.inputs[rest[0]])
    if kind == "classes":
        return asarray(np.eye(factor.shape[-1])[asarray(doing.inputs[rest[0]])].reshape(factor.shape))
    if kind == "made":
        made = base.of_site.get(rest[0], [])
        place = base.of_site[site].index(at) if len(made) > 1 else 0
        if place >= len(made) or base.events[made[place]].result.shape != factor.shape:
            raise OtherwayError
        return base.events[made[place]].result
    return asarray(_ELEMENTWISE[kind](factor))


_ELEMENTWISE: Mapping[str, Callable[[Array], Array]] = {
    "ones": np.ones_like,
    "complement": lambda factor: asarray(1 - factor),
    "square": np.square,
    "inverse": np.reciprocal,
    "negative": np.negative,
}


class Probed(np.ndarray[Any, Any]):
    """An array whose calls of NumPy, and those of what they give, are events of a pass."""

    doing: Pass

    def __array_finalize__(self, made_from: Any) -> None:
        """What is derived from such an array is one."""
        if isinstance(made_from, Probed) and hasattr(made_from, "doing"):
            self.doing = made_from.doing

    def __getitem__(self, key: Any) -> Any:
        """A piece, an event too; a single number stays an array."""
        plain = _plain(key)
        return self.doing.seen("getitem", [_plain(self)], lambda arrays: arrays[0][plain], _plain(self)[plain], None, False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        """One elementwise function, product or reduction."""
        given, into = [_plain(one) for one in inputs], keywords.pop("out", (None,))
        keywords = {name: _plain(one) for name, one in keywords.items()}
        call = getattr(ufunc, method)
        if method == "at" or ufunc.nout > 1:
            return call(*given, **keywords, **({} if into[0] is None else {"out": tuple(_plain(one) for one in into)}))
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        found = self.doing.seen(
            name,
            given,
            lambda arrays: call(*arrays, **keywords),
            call(*given, **keywords),
            keywords.get("axis", 0) if method == "reduce" else None,
            bool(keywords.get("keepdims")),
        )
        if into[0] is None:
            return found
        _plain(into[0])[...] = _plain(found)
        return into[0]

    def __array_function__(self, function: Callable[..., Any], types: Any, arguments: Iterable[Any], keywords: Mapping[str, Any]) -> Any:
        """Any other function of NumPy."""
        whole = (tuple(arguments), dict(keywords))
        given = [_plain(one) for one in _arrays(whole)]

        def again(arrays: Sequence[Array]) -> Any:
            positional, named = _put(whole, iter(arrays))
            return function(*positional, **named)

        result, name = again(given), function.__name__
        axis = whole[1].get("axis", next((one for one in whole[0][1:] if isinstance(one, int | tuple)), None))
        if isinstance(result, tuple | list):
            pieces = [
                self.doing.seen(name, given, _piece_of(again, number), one, None, False)
                for number, one in enumerate(result)
                if isinstance(one, np.ndarray)
            ]
            return type(result)(pieces) if type(result) in (tuple, list) and len(pieces) == len(result) else result
        if not isinstance(result, np.ndarray | np.floating):
            return result
        return self.doing.seen(name, given, again, result, axis, bool(whole[1].get("keepdims")))


def _piece_of(again: Callable[[Sequence[Array]], Any], number: int) -> Callable[[Sequence[Array]], Any]:
    return lambda arrays: again(arrays)[number]


def _as_function(name: str) -> Callable[..., Any]:
    return lambda self, *arguments, **keywords: getattr(np, name)(self, *arguments, **keywords)


for _name in ("sum", "mean", "var", "std", "max", "min", "dot", "clip", "prod", "take", "repeat", "cumsum"):
    setattr(Probed, _name, _as_function(_name))


def probed(array: Array, doing: Pass) -> Probed:
    """The array as one whose calls are seen."""
    made = asarray(array).view(Probed)
    made.doing = doing
    return made


@contextmanager
def making(doing: Pass) -> Iterator[None]:
    """New arrays are seen too, where they are made by NumPy's own names: what is written into them goes on."""
    kept = {name: getattr(np, name) for name in MAKING}

    def seen(function: Callable[..., Any]) -> Callable[..., Any]:
        def make(*arguments: Any, **keywords: Any) -> Any:
            made = function(*arguments, **keywords)
            return probed(made, doing) if isinstance(made, np.ndarray) and made.dtype.kind == "f" else made

        return make

    try:
        for name, function in kept.items():
            setattr(np, name, seen(function))
        yield
    finally:
        for name, function in kept.items():
            setattr(np, name, function)


def _plain(value: Any) -> Any:
    if isinstance(value, Probed):
        return value.view(np.ndarray)
    if type(value) in (tuple, list):
        return type(value)(_plain(one) for one in value)
    return value


def _arrays(value: Any) -> Iterator[Any]:
    """The arrays of real numbers in a call's arguments."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _arrays(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _arrays(one)


def _put(value: Any, arrays: Iterator[Array]) -> Any:
    """The same arguments with these arrays."""
    if isinstance(value, np.ndarray):
        return next(arrays) if value.dtype.kind == "f" else _plain(value)
    if type(value) in (tuple, list):
        return type(value)(_put(one, arrays) for one in value)
    if isinstance(value, dict):
        return {name: _put(one, arrays) for name, one in value.items()}
    return value
