"""Graphs built with a candidate's own operations, differentiated by its own engine, and read as arrays.

The candidate is a module whose variables say how (`leaf`, `value`, `backward`, `gradient`, `operations`, …; docs/engines.md). A graph comes
as data. Whatever the engine raises is part of the answer: in a forward pass it is a refusal, in a backward pass it ends the series of
graphs, since some engines are not the same after a failed one.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy import array_equal, errstate  # by name: a candidate may replace them
from numpy.typing import NDArray

from verifier.worker.conversion import Basket, Refused, to_array
from verifier.worker.loading import TEXT, Candidate, describe_raised, printable

Array = NDArray[Any]
FUNCTIONS = ("leaf", "value", "backward", "gradient", "derivative", "differentiate", "constant", "fresh", "zero_grad", "no_grad", "second")
FLAGS = ("accumulates", "retain_graph", "scalar", "dtypes", "largest", "chain")
MOST = 1000  # entries of a table, and characters of a name


class Stopped(Exception):
    """The engine raised, or returned what cannot be taken, at some place of a graph."""

    def __init__(self, place: str, node: str, error: BaseException) -> None:
        super().__init__(place)
        self.place, self.node, self.error = place, node, error


def describe(candidate: Candidate) -> dict[str, Any]:
    """Which variables the candidate has: its functions with their numbers of parameters, its flags, and the options of each operation."""
    holder = candidate.holder
    functions = {name: parameters(getattr(holder, name)) for name in FUNCTIONS if callable(getattr(holder, name, None))}
    found = {name: _plain(getattr(holder, name)) for name in FLAGS if hasattr(holder, name)}
    flags = {name: value for name, value in found.items() if value is not None}  # `dtypes` may be a library's own, imported by that name
    return {"functions": functions, "flags": flags, **{name: _table(getattr(holder, name, None)) for name in ("operations", "in_place")}}


def _table(table: Any) -> dict[str, Any]:
    """The functions of a table of operations, each with its parameters."""
    if not isinstance(table, Mapping):
        return {}
    entries = list(table.items())[:MOST]
    return {printable(str(name), MOST): parameters(entry) for name, entry in entries if callable(entry)}


def parameters(function: Any) -> dict[str, Any]:
    """A function's parameters by name, their defaults, and whether it takes any keyword; nothing where they are not known."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {"names": [], "defaults": {}, "any": False}
    named = [one for one in found if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)][:MOST]
    return {
        "names": [printable(one.name, MOST) for one in named],
        "defaults": {printable(one.name, MOST): _plain(one.default) for one in named if one.default is not one.empty},
        "any": any(one.kind == one.VAR_KEYWORD for one in found),
    }


def answer_graphs(
    candidate: Candidate, asked: Sequence[Mapping[str, Any]], arrays: Mapping[str, Array], basket: Basket
) -> list[dict[str, Any]]:
    """A reply for each graph, in order; null for those that follow a backward pass that raised."""
    replies: list[dict[str, Any]] = []
    late = False
    for one in asked:
        if late:
            replies.append({"unasked": True})
            continue
        reply = _answer(candidate, one, arrays, basket)
        late = reply.get("stopped", {}).get("place") == "backward"
        replies.append(reply)
    return replies


def _answer(candidate: Candidate, asked: Mapping[str, Any], arrays: Mapping[str, Array], basket: Basket) -> dict[str, Any]:
    run = _Run(candidate.holder, asked, arrays, basket)
    try:
        with errstate(all="ignore"):
            run.perform()
    except Stopped as stopped:
        raised = stopped.error
        if isinstance(raised, Refused):
            described: dict[str, Any] = {
                "type": "",
                "text": printable(str(raised), TEXT),
                "traceback": "",
                "file": None,
                "line": None,
                "function": None,
            }
        else:
            described = describe_raised(raised, candidate.origin)
        run.reply["stopped"] = {"place": stopped.place, "node": stopped.node, "raised": described}
    return run.reply


class _Run:
    """One graph on its way through the engine."""

    def __init__(self, holder: Any, asked: Mapping[str, Any], arrays: Mapping[str, Array], basket: Basket) -> None:
        self.engine, self.graph, self.basket = holder, asked["graph"], basket
        self.show: Sequence[str] = asked.get("show", ())
        self.complex: Sequence[str] = self.graph["complex"]
        given = {name: arrays[key] for name, key in asked["arrays"].items()}
        self.given = {name: array[..., 0] + 1j * array[..., 1] if name in self.complex else array for name, array in given.items()}
        self.table: Mapping[str, Callable[..., Any]] = holder.operations
        self.scalar = bool(getattr(holder, "scalar", False))
        self.tensors: dict[str, Any] = {}
        self.handed: dict[str, Any] = {}
        self.reply: dict[str, Any] = {"values": {}, "gradients": [], "changed": [], "cotangents": {}}

    def perform(self) -> None:
        """Build, differentiate, read; raises Stopped."""
        self._begin()
        if hasattr(self.engine, "differentiate"):
            self._by_functions()
        elif hasattr(self.engine, "derivative"):
            self._by_directions()
        else:
            self._by_backward()

    def _begin(self) -> None:
        self._guarded("forward", "fresh", getattr(self.engine, "fresh", lambda: None))

    def _by_backward(self) -> None:
        self._place_inputs()
        built = 0
        for output, count, cotangent, clear in self.graph["passes"]:
            if built and self.graph["anew"]:
                self._begin()
            self._build(self.tensors, self.graph["nodes"][built:count])
            built = count
            if clear:
                for name in self.graph["leaves"]:
                    self._guarded("backward", "zero_grad", self.engine.zero_grad, self.tensors[name])
            self._show(output)
            if self.graph["directions"]:
                self._second(output, self.tensors[output], [self.tensors[name] for name in self.graph["leaves"]])
                continue
            arguments = [self.tensors[output]] + ([] if cotangent is None else [self._handed(cotangent)])
            self._guarded("backward", output, self.engine.backward, *arguments)
            self.reply["gradients"].append({name: self._gradient(name) for name in self.graph["leaves"]})
        self._look_after()

    def _by_functions(self) -> None:
        """Engines that differentiate functions: one pass after another, each alone."""
        names = list(self.graph["leaves"])
        for output, count, cotangent, _ in self.graph["passes"]:

            def function(*leaves: Any, output: str = output, count: int = count) -> Any:
                tensors = {**self._others(), **dict(zip(names, leaves, strict=True))}
                self._build(tensors, self.graph["nodes"][:count])
                self.tensors = tensors
                return tensors[output]

            given = self._leaves()
            self._guarded("forward", output, function, *given)
            self._show(output)
            if self.graph["directions"]:
                self._second(output, function, given)
                continue
            extra = [] if cotangent is None else [self._handed(cotangent)]
            found = self._guarded("backward", output, self.engine.differentiate, function, given, *extra)
            self._take_all("differentiate", output, found)

    def _second(self, output: str, differentiated: Any, leaves: list[Any]) -> None:
        """The gradients of what the output's gradients come to along their directions."""
        along = self.graph["directions"]
        zeros = {name: np.zeros_like(self.given[name]) for name in self.graph["leaves"] if name not in along}
        directions = [self._number(zeros[name] if name in zeros else self.given[along[name]]) for name in self.graph["leaves"]]
        self._take_all("second", output, self._guarded("backward", output, self.engine.second, differentiated, leaves, directions))

    def _take_all(self, function: str, output: str, found: Any) -> None:
        names = self.graph["leaves"]
        if not isinstance(found, list | tuple) or len(found) != len(names):
            raise Stopped("gradient", output, Refused(f"`{function}` did not return one gradient for each leaf"))
        self.reply["gradients"].append({name: self._taken(name, one) for name, one in zip(names, found, strict=True)})

    def _by_directions(self) -> None:
        """Forward mode: the derivative of the output along a direction of one leaf after another."""
        for number, (output, count, _, _) in enumerate(self.graph["passes"]):
            slopes: dict[str, str | None] = {}
            for name in self.graph["leaves"]:
                self._place_inputs(direction_of=name)
                self._build(self.tensors, self.graph["nodes"][:count])
                if number == 0 and not slopes:
                    self._show(output)
                slope = self._guarded("backward", output, self.engine.derivative, self.tensors[output])
                slopes[name] = self._taken(name, slope)
            self.reply["gradients"].append(slopes)

    def _place_inputs(self, direction_of: str | None = None) -> None:
        self.tensors = self._others()
        leaves = self._leaves(direction_of)
        self.tensors |= dict(zip(self.graph["leaves"], leaves, strict=True))

    def _leaves(self, direction_of: str | None = None) -> list[Any]:
        made = []
        for name in self.graph["leaves"]:
            source = self.graph["same"].get(name, name)
            array = self.handed.setdefault(source, self._number(self.given[source]))
            directions: list[Any] = []
            if hasattr(self.engine, "derivative"):
                along = self.given[f"direction of {name}"]
                directions = [self._number(along if name == direction_of else np.zeros_like(along))]
            make = getattr(self.engine, "leaf", lambda array: array)
            made.append(self._guarded("forward", name, make, array, *directions))
        return made

    def _others(self) -> dict[str, Any]:
        others = {name: self._number(array) for name, array in self.given.items() if name not in self.graph["leaves"]}
        for name in self.graph["constants"]:
            others[name] = self._guarded("forward", name, self.engine.constant, others[name])
        return others

    def _number(self, array: Array) -> Any:
        """A copy that the engine may keep; a Python number for engines of scalars."""
        return array.item() if self.scalar and array.ndim == 0 else array.copy()

    def _handed(self, name: str) -> Any:
        return self.handed.setdefault(name, self._number(self.given[name]))

    def _build(self, tensors: dict[str, Any], nodes: Sequence[Any]) -> None:
        for operation, operands, output, options, listed in nodes:
            values = [tensors[operand] if isinstance(operand, str) else operand for operand in operands]
            keywords = {key: _option(value) for key, value in options.items()}
            arguments = [values] if listed else values
            written = output in self.graph["written"]
            function = (self.engine.in_place if written else self.table)[operation]
            untracked = output in self.graph["untracked"]
            with self._guarded("forward", output, self.engine.no_grad) if untracked else nullcontext():
                result = self._guarded("forward", output, function, *arguments, **keywords)
            tensors[output] = values[0] if result is None and written else result

    def _show(self, output: str) -> None:
        for name in self.show:
            if name in self.tensors and name not in self.reply["values"]:
                self._value(name)
        if output not in self.reply["values"]:
            self._value(output)

    def _value(self, name: str) -> None:
        read = getattr(self.engine, "value", lambda tensor: tensor)
        shown = self._guarded("forward", name, read, self.tensors[name])
        try:
            self.reply["values"][name] = self.basket.add(_parts(shown, whole=True) if self.complex else to_array(shown, ""))
        except Refused as refused:
            raise Stopped("forward", name, refused) from None

    def _gradient(self, name: str) -> str | None:
        return self._taken(name, self._guarded("gradient", name, self.engine.gradient, self.tensors[name]))

    def _taken(self, name: str, gradient: Any) -> str | None:
        """The gradient's name in the basket; null for one that is not there."""
        if gradient is None or (isinstance(gradient, int | float) and gradient == 0):
            return None
        try:
            return self.basket.add(_parts(gradient) if name in self.complex else self._numbers(gradient))
        except Refused as refused:
            raise Stopped("gradient", name, refused) from None

    def _numbers(self, gradient: Any) -> Array:
        """The gradient as an array; one that is a tensor of the engine is read by `value`."""
        try:
            return to_array(gradient, "a gradient")
        except Refused as refused:
            try:
                return to_array(self.engine.value(gradient), "a gradient")
            except Exception:  # it is no tensor of the engine either
                raise refused from None

    def _look_after(self) -> None:
        """What the backward pass did to the arrays that it was given, and, where asked for, the cotangents of the nodes."""
        for name, handed in self.handed.items():
            if isinstance(handed, np.ndarray) and not array_equal(handed, self.given[name], equal_nan=handed.dtype.kind == "f"):
                self.reply["changed"].append(name)
        for _, _, output, _, _ in self.graph["nodes"] if self.show else ():
            try:
                self.reply["cotangents"][output] = self.basket.add(to_array(self.engine.gradient(self.tensors[output]), ""))
            except Exception:  # not every engine keeps them
                continue

    def _guarded(self, place: str, node: str, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except Stopped:
            raise
        except BaseException as error:  # SystemExit and KeyboardInterrupt are a candidate's to raise, not ours to obey
            raise Stopped(place, node, error) from None


def _parts(value: Any, *, whole: bool = False) -> Array:
    """Real and imaginary parts along a last axis; `whole`: a real array as it is. Raises Refused where it is no array of numbers."""
    array = np.asarray(value)
    if array.dtype.kind != "c" and whole:
        return to_array(value, "")
    if array.dtype.kind not in "cfiu":
        raise Refused("returned no array of numbers")
    return np.stack([array.real, array.imag], -1).astype(np.float64)


def _option(value: Any) -> Any:
    """An option as Python has it: lists are tuples, an index is what stands between the brackets."""
    if isinstance(value, Mapping):
        items = tuple(_item(item) for item in value["index"])
        return items[0] if len(items) == 1 else items
    return tuple(value) if isinstance(value, list) else value


def _item(item: Any) -> Any:
    if isinstance(item, Mapping):
        if "slice" in item:
            return slice(*item["slice"])
        return np.array(item["array"], dtype=np.int64) if "array" in item else np.array(item["mask"], dtype=np.bool_)
    return Ellipsis if item == "..." else item


def _plain(value: Any) -> Any:
    """A flag as plain data, or null."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:MOST]]
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    return printable(value, MOST) if isinstance(value, str) else None
