"""Backward passes that are nobody's API: functions and methods by pattern, `package.layers:*_backward` or `Layer.backward`.

A function's gradients are what it returns. A method's are that, and the arrays of its object that it changed. The forward pass beside it
(the same name with "forward") says which inputs they belong to.
"""

import fnmatch
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from verifier.audit.finding.passages import Passage, Scope, like, named_arguments, parameter_names, place_of
from verifier.audit.finding.places import Place, arrays_of, places_in
from verifier.audit.kits import NUMPY, kit_of
from verifier.audit.listening import Heard, overhear

PAIRS = (("backward", "forward"), ("_backward", ""), ("backward_", ""), ("backprop", "forward"), ("bprop", "fprop"), ("grad", "forward"))
GRADIENTS = ("d{}", "d_{}", "dld{}", "dl_d{}", "grad_{}", "{}_grad", "grad{}", "{}grad", "{}")
COTANGENTS = frozenset(  # how a parameter is called that takes it; else the first one does
    {"cotangent", "cotangents", "dout", "dy", "dz", "dl_dout", "grad_out", "grad_output", "grad_outputs", "output_gradient"}
    | {"upstream", "delta", "gy"}
)
KEPT = 64  # forward calls whose caches are remembered


def find(scope: Scope, patterns: tuple[str, ...]) -> Iterator[Passage]:
    """What matches in the project's modules; a method that matches in a class matches in its subclasses."""
    for pattern in patterns:
        module, colon, name = pattern.rpartition(":")
        for owner, qualified, function in _definitions(scope):
            if (not colon or fnmatch.fnmatchcase(function.__module__, module)) and _matches(owner, qualified, name):
                yield _of_function(function) if owner is None else _of_method(owner, function)


def _definitions(scope: Scope) -> Iterator[tuple[type | None, str, FunctionType]]:
    seen: set[int] = set()
    for module in scope.modules():
        for value in list(vars(module).values()):
            if getattr(value, "__module__", None) != module.__name__ or id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, FunctionType):
                yield None, value.__qualname__, value
            elif isinstance(value, type):
                for method in list(vars(value).values()):
                    if isinstance(method, FunctionType):
                        yield value, f"{value.__qualname__}.{method.__name__}", method


def _matches(owner: type | None, qualified: str, pattern: str) -> bool:
    if fnmatch.fnmatchcase(qualified, pattern):
        return True
    method = qualified.rpartition(".")[2]
    return owner is not None and any(fnmatch.fnmatchcase(f"{base.__qualname__}.{method}", pattern) for base in owner.__mro__[1:-1])


def _forward_name(name: str, exists: Callable[[str], bool]) -> str | None:
    for backward, forward in PAIRS:
        other = name.replace(backward, forward)
        if other and other != name and exists(other):
            return other
    return "__call__" if exists("__call__") else None


@dataclass
class Memory:
    """The last forward calls: by their object, or by each thing that they returned (a cache among them)."""

    calls: dict[int, tuple[Any, dict[str, Any]]]

    def keep(self, key: Any, arguments: dict[str, Any]) -> None:
        """Remember the arguments of the call that made `key`; the oldest call is forgotten above `KEPT`."""
        self.calls.pop(id(key), None)
        self.calls[id(key)] = (key, arguments)  # the key is kept too, or its id could be another's
        while len(self.calls) > KEPT:
            self.calls.pop(next(iter(self.calls)))

    def of(self, key: Any) -> dict[str, Any] | None:
        """The arguments of the call that made `key`; None where it is not remembered."""
        found = self.calls.get(id(key))
        return found[1] if found is not None else None


def _of_function(function: FunctionType) -> Passage:
    module = sys.modules[function.__module__]
    forward_name = _forward_name(function.__name__, lambda other: inspect.isfunction(getattr(module, other, None)))
    forward: Any = getattr(module, forward_name) if forward_name else None
    name, names = f"{function.__module__}:{function.__qualname__}", parameter_names(function)
    forward_names = parameter_names(forward) if forward is not None else []
    at = next((place for place, one in enumerate(names) if one.lower() in COTANGENTS), 0)
    memory = Memory({})
    file, line = place_of(function)
    original, forward_original = copied(function), forward and copied(forward)

    def remembering(*args: Any, **kwargs: Any) -> Any:
        answer = forward_original(*args, **kwargs)
        known = _copied(named_arguments(forward_names, args) | kwargs)
        for one in answer if isinstance(answer, tuple) else (answer,):
            memory.keep(one, known)
        return answer

    def overheard(*args: Any, **kwargs: Any) -> Any:
        own = named_arguments(names, args) | kwargs
        known = next((call for value in reversed(own.values()) if (call := memory.of(value)) is not None), None)
        if known is None:
            known = {key: value for place, (key, value) in enumerate(own.items()) if place != at}
        return _listened(name, known, args, kwargs, lambda a, k: original(*a, **k), None, at)

    def listen() -> None:
        replace(function, overheard)
        if forward is not None:
            replace(forward, remembering)

    beside = (module.__name__, forward_name) if forward_name else None
    return Passage(name, "pattern", file, line, listen, callee=(module.__name__, function.__name__), forward=beside)


def _of_method(owner: type, method: FunctionType) -> Passage:
    forward_name = _forward_name(method.__name__, lambda other: inspect.isfunction(getattr(owner, other, None)))
    forward: Any = inspect.getattr_static(owner, forward_name) if forward_name else None
    made: Any = inspect.getattr_static(owner, "__init__")
    name = f"{owner.__module__}:{owner.__qualname__}.{method.__name__}"
    memory, making = Memory({}), Memory({})
    file, line = place_of(method)

    def remembering(self: Any, *args: Any, **kwargs: Any) -> Any:
        if type(self) is owner or method.__name__ not in vars(type(self)):
            memory.keep(self, _copied(named_arguments(parameter_names(forward, 1), args) | kwargs))
        return forward(self, *args, **kwargs)

    def begun(self: Any, *args: Any, **kwargs: Any) -> None:
        making.keep(self, named_arguments(parameter_names(made, 1), args) | kwargs)
        made(self, *args, **kwargs)

    def overheard(self: Any, *args: Any, **kwargs: Any) -> Any:
        known = memory.of(self) or {}
        own = making.of(self)
        construction = {} if own is None else {f"{owner.__name__}({key})": value for key, value in own.items()}
        return _listened(name, known | construction, args, kwargs, lambda a, k: method(self, *a, **k), self)

    def listen() -> None:
        setattr(owner, method.__name__, like(method, overheard))
        if forward is not None and forward_name is not None and inspect.isfunction(forward):
            setattr(owner, forward_name, like(forward, remembering))
        if inspect.isfunction(made):
            owner.__init__ = like(made, begun)  # type: ignore[misc]

    beside = (owner.__module__, f"{owner.__qualname__}.{forward_name}") if forward_name else None
    callee = (owner.__module__, owner.__qualname__)
    return Passage(name, "pattern", file, line, listen, callee=callee, forward=beside, base=bool(owner.__subclasses__()))


def _parameters(owner: Any, changed: Iterable[str]) -> dict[str, tuple[Any, str]]:
    """The arrays of an object beside which one that has changed bears the name of their gradient: "self.W" and "self.dW"."""
    gradients = list(changed)
    held = {place.name: place.value for place in places_in(vars(owner), "self.")} if gradients else {}
    return {name: (value, gradient) for name, value in held.items() if (gradient := gradient_of(name, gradients)) is not None}


def gradient_of(name: str, held: Iterable[str]) -> str | None:
    """Of "self.W" the name of its gradient among these: "self.dW", "self.dLdW", "self.W_grad"; also of "self.params['W']"."""
    names = {re.sub(r"\W+", ".", other).strip(".").lower(): other for other in held}
    *path, last = re.sub(r"\W+", ".", name).strip(".").lower().split(".")
    for form in GRADIENTS:
        for at in (path, *([*path[:-1], other] for other in ("grads", "gradients", "grad", "d") if len(path) > 1)):
            other = names.get(".".join([*at, form.format(last)]))
            if other is not None and other != name:
                return other
    return None


def _copied(arguments: dict[str, Any]) -> dict[str, Any]:
    """With arrays of their own: a layer may write into what it was given."""
    return {name: value.copy() if hasattr(value, "copy") and hasattr(value, "shape") else value for name, value in arguments.items()}


def copied(function: FunctionType) -> FunctionType:
    """Another function that does the same."""
    copy = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def replace(function: FunctionType, wrapper: Callable[..., Any]) -> None:
    """Let this very function do what the wrapper does, whoever holds it: a module, a table, a record.

    Its code becomes a call of the wrapper, which a default holds; the signature that others read stays.
    """
    signature = inspect.signature(function)
    if function.__closure__:
        _put(function, like(function, wrapper))
        return
    function.__code__ = _call.__code__
    function.__kwdefaults__, function.__defaults__ = {"_wrapper": wrapper}, None
    function.__signature__ = signature  # type: ignore[attr-defined]


def _call(*args: Any, _wrapper: Any, **kwargs: Any) -> Any:
    return _wrapper(*args, **kwargs)


def _put(original: Any, wrapper: Any) -> None:
    """Wherever a module holds the function: one with free variables keeps its code."""
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is original:
                setattr(module, name, wrapper)


def _listened(
    name: str,
    known: dict[str, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    call: Callable[[tuple[Any, ...], dict[str, Any]], Any],
    owner: Any,
    at: int = 0,
) -> Any:
    """Call the pass; its cotangents are the arrays in its argument at this place (one, or a tuple of them)."""
    given, kwargs = list(args), dict(kwargs)
    arguments: Any = given if given else kwargs
    keys: list[Any] = list(range(len(given))) if given else list(kwargs)
    at = min(at, len(keys) - 1)
    box = {"cotangent": arguments[keys[at]]} if keys else {}
    cotangents = places_in(box, "")
    kit = kit_of(cotangents[0].value) if cotangents else NUMPY
    answered: dict[str, Any] = {}

    def compute(values: Sequence[Any]) -> list[Any]:
        for place, value in zip(cotangents, values, strict=True):
            place.put(value)
        if keys:
            arguments[keys[at]] = box["cotangent"]
        before = {} if owner is None else arrays_of(owner)
        answered["box"] = {"returned": call(tuple(given), kwargs)}
        answered["places"] = [*places_in(answered["box"], ""), *([] if owner is None else _changed(owner, before))]
        return [place.value for place in answered["places"]]

    def outputs(count: int) -> tuple[str, ...]:
        places: list[Place] = answered["places"]
        arrays = [key for key, value in known.items() if kit.view(value) is not None and hasattr(value, "shape")]
        inputs = [key for key in arrays if not key.startswith("self.")]
        returned = sum(1 for place in places if not place.name.startswith("self."))
        names = iter(inputs if returned <= len(inputs) else [])
        named = [place.name if place.name.startswith("self.") else next(names, "") for place in places]
        return tuple(name or (f"gradient {number}" if count > 1 else "gradient") for number, name in enumerate(named))

    own: dict[str, str] = {}

    def with_parameters(values: Sequence[Any]) -> list[Any]:
        gradients = compute(values)
        found = {} if owner is None else _parameters(owner, [place.name for place in answered["places"]])
        known.update({key: value for key, (value, _) in found.items()})
        own.update({key: gradient for key, (_, gradient) in found.items()})
        return gradients

    heard = Heard(name, kit, known, [place.value for place in cotangents], outputs, pure=False, parameters=own)
    mutated = overhear(heard, with_parameters)
    for place, value in zip(answered["places"], mutated, strict=True):
        if value is not place.value:
            _store(place, value)
    return answered["box"]["returned"]


def _store(place: Place, value: Any) -> None:
    """An attribute of NumPy is written in place: an optimiser may hold the same array."""
    if place.name.startswith("self.") and isinstance(place.value, np.ndarray) and place.value.flags.writeable:
        place.value[...] = value
    else:
        place.put(value)


def _changed(owner: Any, before: dict[str, tuple[int, bytes]]) -> list[Place]:
    """The arrays of an object that are others than before, or hold other numbers."""
    after = arrays_of(owner)
    return [place for place in places_in(vars(owner), "self.") if after.get(place.name) != before.get(place.name)]
