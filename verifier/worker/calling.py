"""Calls over named values that stay in the worker, and points along a line.

A request has five parts, each may be missing: "actions" are those of `statements`, "graphs" those of `engine`; "put" names values (an
array, or a list of arrays) that stay until they are replaced; "calls" are answered one by one, and may "keep" parts of what comes back as
values of any type; "lines" evaluate one function at many points, so that a finite difference costs no round trip each, "projected" on
values where the function gives outputs and no loss. A call with "state" may return one value more than its form: it stays, and goes into
the next. Every call gets fresh, writable, C-contiguous copies of the values: what a candidate does to its arguments, it does to itself. A
call may ask for its arguments in another "layout" of memory, as they are afterwards ("echo"), where complex numbers were seen while it
ran ("watch"), what it cost ("count"), or what each of its lines set, and other values put there ("trace", see `tracing`).
"""

import contextlib
import inspect
import sys
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy import array as stacked
from numpy import asarray, errstate  # by name: a candidate may replace them
from numpy.typing import NDArray

from verifier.wire import DTYPES
from verifier.worker import engine
from verifier.worker.complex_numbers import ComplexNumbers
from verifier.worker.conversion import Basket, Refused, described, pack, part_name, split, subject, to_array
from verifier.worker.effort import Effort
from verifier.worker.loading import TEXT, Candidate, describe_raised, printable
from verifier.worker.statements import Statements, laid_out
from verifier.worker.tracing import Tracing

Array = NDArray[Any]


@dataclass(frozen=True)
class Held:
    """What a candidate returned and gets again as it is: a cache, an object."""

    value: Any


Value = Array | list[Array] | Held
Given = tuple[Sequence[Any], Mapping[str, Any], bool]
"""Arguments by position and by keyword, and whether the call may raise, which is then passed over."""
Asking = Generator[Given, Any, dict[str, Any]]
"""Yields what each call is given and is sent what it returned: whoever is called sees the same frames, whatever it is asked for."""
Ask = Callable[..., Asking]
CARRIED = frozenset(DTYPES.values())


@dataclass
class Caller:
    """Answers requests for one candidate. `room` is how many bytes of arrays an answer may carry."""

    candidate: Candidate
    room: int
    values: dict[str, Value] = field(default_factory=dict)
    statements: Statements | None = None
    state: "State" = field(default_factory=lambda: State())

    def answer(self, request: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
        """The message and the arrays that answer a request; a candidate's exception or nonsense is part of the answer, never raised.

        Raises KeyError or TypeError only for a malformed request, which is the referee's fault.
        """
        for name, carried in request.get("put", {}).items():
            self.values[name] = [arrays[item] for item in carried] if isinstance(carried, list) else arrays[carried]
        basket = Basket(self.room)
        calls, lines = request.get("calls", []), request.get("lines", [])
        asked = [(_call, call) for call in calls] + [(_line, line) for line in lines]
        replies = [self._guarded(ask, call, basket, arrays) for ask, call in asked]
        message: dict[str, Any] = {"results": replies[: len(calls)], "lines": replies[len(calls) :]}
        if "actions" in request:
            self.statements = self.statements or Statements(self.candidate)
            message["actions"] = [self.statements.answer(action, basket, arrays) for action in request["actions"]]
            flush_prints()
        if "graphs" in request:  # contract `engine`
            message["engine"] = engine.describe(self.candidate)
            message["graphs"] = engine.answer_graphs(self.candidate, request["graphs"], arrays, basket)
            flush_prints()
        return message, basket.arrays

    def _guarded(self, ask: Ask, call: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]) -> dict[str, Any]:
        function = self.candidate.function(call["function"])
        if function is None:
            return {"refused": f"has no function {call['function']}"}
        if call.get("state"):
            function = self.state.carried(function, call)
        unkept = [name for name in call["arguments"] if name not in self.values]
        if unkept:  # the call that would have left it behind failed
            return {"refused": f"could not be called without {unkept[0]}"}
        arguments = {name: self.values[name] for name in call["arguments"]}
        try:
            watched, seen = self._watched(function, call, basket, arrays)
            answer = _asked(watched, ask(self.values, call, arguments, basket, arrays))
            return {**answer, **seen()}
        except Refused as refused:
            return {"refused": printable(str(refused), TEXT)}
        except BaseException as error:  # SystemExit and KeyboardInterrupt are a candidate's to raise, not ours to obey
            return {"raised": describe_raised(error, self.candidate.origin)}
        finally:
            flush_prints()

    def _watched(
        self, function: Callable[..., Any], call: Mapping[str, Any], basket: Basket, arrays: Mapping[str, Array]
    ) -> tuple[Callable[..., Any], Callable[[], dict[str, Any]]]:
        """The function watched as the call asks for it, and what gives, after it ran, what was seen."""
        owns = self.candidate.origin.owns
        if call.get("count"):
            effort = Effort()
            return effort.counting(function), lambda: {"counts": effort.counts}
        if call.get("trace"):
            tracing = Tracing(owns, call["trace"], arrays)
            return tracing.watching(function), lambda: {"trace": tracing.as_message(basket)}
        if call.get("watch"):
            numbers = ComplexNumbers(owns)
            return numbers.watching(function), lambda: {"complex": printable(numbers.seen, TEXT)}
        return function, dict


class State:
    """What one function returned as a last value beyond its form: it stays here, and goes back in as its last parameter."""

    def __init__(self) -> None:
        self._value: Any = None

    def carried(self, function: Callable[..., Any], call: Mapping[str, Any]) -> Callable[..., Any]:
        """The function with its state put in and taken out."""
        kept = self._value if call["state"] == "kept" else None

        def carrying(*values: Any, **keywords: Any) -> Any:
            parameter = _state_parameter(function, len(values), keywords)
            if parameter is not None and (kept is not None or parameter.default is parameter.empty):
                keywords[parameter.name] = kept
            answer = function(*values, **keywords)
            if not isinstance(answer, tuple | list) or len(answer) != len(call["form"]) + 1:
                return answer
            self._value = answer[-1]
            return answer[:-1]

        return carrying


def _state_parameter(function: Callable[..., Any], given: int, keywords: Collection[str]) -> inspect.Parameter | None:
    """The last parameter by name that a call leaves open; None where there is none, or the function does not tell."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return next((one for one in reversed(parameters[given:]) if one.kind in named and one.name not in keywords), None)


def _asked(function: Callable[..., Any], asking: Asking) -> dict[str, Any]:
    """Call the function as often as is asked for."""
    returned = None
    while True:
        try:
            given, keywords, may_raise = asking.send(returned)
        except StopIteration as ended:
            answer: dict[str, Any] = ended.value
            return answer
        try:
            returned = function(*given, **keywords)
        except Exception:
            if not may_raise:
                raise


def _call(known: dict[str, Value], call: Mapping[str, Any], values: Mapping[str, Value], basket: Basket, _: Mapping[str, Array]) -> Asking:
    arguments = {name: _in_layout(fresh(value), call.get("layout", "C")) for name, value in values.items()}
    returned, parts = (yield _given(call, arguments)), call.get("parts", ())
    if call.get("later"):
        yield from _go_on(call, values, arguments)
    answer: dict[str, Any] = {"form": pack(returned, call["form"], parts, basket)}
    for name, part in call.get("keep", {}).items():
        known[name] = Held(split(returned, call["form"], parts)[part])
    if call.get("echo"):
        answer["echo"] = {name: _echo(value, basket) for name, value in arguments.items()}
    return answer


def _in_layout(value: Any, layout: str) -> Any:
    """A fresh value in another layout of memory than the contract promises."""
    if isinstance(value, list):
        return [_in_layout(one, layout) for one in value]
    return laid_out(value, layout) if isinstance(value, np.ndarray) else value


def _go_on(call: Mapping[str, Any], values: Mapping[str, Value], passed: Mapping[str, Value]) -> Generator[Given, Any, None]:
    """What a caller may do before it looks at an answer: call again with other numbers, and write into what it passed."""
    others = {name: fresh(value) for name, value in values.items()}
    for array in _numbers_in(others.values()):
        array *= 0.5
    yield _given(call, others, may_raise=True)
    for array in _numbers_in(passed.values()):
        array.fill(0.0)


def _numbers_in(values: Iterable[Any]) -> Iterator[Array]:
    """The arrays of floating numbers among values."""
    for value in values:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, np.ndarray) and one.dtype.kind == "f":
                yield one


def _line(
    known: Mapping[str, Value], line: Mapping[str, Any], values: Mapping[str, Value], basket: Basket, arrays: Mapping[str, Array]
) -> Asking:
    moved = {name: _Ray.of(values[name], directions, arrays) for name, directions in line["directions"].items()}
    points = []
    for step in arrays[line["steps"]]:
        arguments = {name: moved[name].at(step) if name in moved else fresh(value) for name, value in values.items()}
        returned = yield _given(line, arguments)
        points.append(_projected(returned, line, known) if line.get("projected") else _kept_part(returned, line))
    if any(point.shape != points[0].shape for point in points):
        raise Refused("returned another shape at another point of a line")
    return {"form": basket.add(stacked(points, dtype=np.float64))}


def fresh(value: Value) -> Any:
    """A writable, C-contiguous copy that shares nothing with the value; what is held is itself."""
    if isinstance(value, Held):
        return value.value
    return [array.copy() for array in value] if isinstance(value, list) else value.copy()


def flush_prints() -> None:
    """Push out what the candidate printed, so that it is there before the answer; it may have closed or replaced its streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


@dataclass(frozen=True)
class _Ray:
    """One value on its way along a direction: theta + t·v, computed in float64 and rounded to theta's dtype."""

    arrays: list[tuple[Array, Array, np.dtype[Any]]]
    single: bool

    @staticmethod
    def of(value: Any, directions: Sequence[str] | str, arrays: Mapping[str, Array]) -> "_Ray":
        single = not isinstance(value, list)
        starts = [value] if not isinstance(value, list) else value
        names = [directions] if isinstance(directions, str) else directions
        pairs = zip(starts, names, strict=True)
        return _Ray([(start.astype(np.float64), arrays[name].astype(np.float64), start.dtype) for start, name in pairs], single)

    def at(self, step: float) -> Value:
        with errstate(all="ignore"):
            moved = [asarray(start + step * direction).astype(dtype, copy=False) for start, direction, dtype in self.arrays]
        return moved[0] if self.single else moved


def _given(call: Mapping[str, Any], arguments: Mapping[str, Value], *, may_raise: bool = False) -> Given:
    named = [arguments[name] for name in call["arguments"]]
    return [*named, *call.get("numbers", ())], call.get("keywords", {}), may_raise


def _kept_part(value: Any, line: Mapping[str, Any]) -> Array:
    part, parts = line.get("part"), line.get("parts", ())
    name = part_name(part, parts) if part is not None else ""
    if part is not None:
        value = split(value, line["form"], parts)[part]
    if value is None:
        raise Refused(f"{subject(name)} {described(value)}, expected an array or a number")
    return to_array(value, name).astype(np.float64)


def _projected(value: Any, line: Mapping[str, Any], known: Mapping[str, Value]) -> Array:
    """Σ c · output over the first parts of an answer and the values that go with them."""
    form, parts = line["form"], line.get("parts", ())
    outputs = [value] if isinstance(form, str) else split(value, form, parts)
    total = np.float64(0.0)
    for position, (output, name) in enumerate(zip(outputs, line["projected"], strict=False)):
        array, own = to_array(output, part_name(position, parts)).astype(np.float64), asarray(known[name], dtype=np.float64)
        if array.shape != own.shape:
            raise Refused(f"{subject(part_name(position, parts))} {described(array)}, expected shape {own.shape}")
        total = total + (array * own).sum()
    return asarray(total)


def _echo(value: Any, basket: Basket) -> Any:
    """An argument as its caller finds it after the call; null stands for what is no array any more."""
    if isinstance(value, list):
        return [_echo(item, basket) for item in value]
    return basket.add(value) if isinstance(value, np.ndarray) and value.dtype in CARRIED else None
