"""The arrays in a nest of tuples, lists and dictionaries, each with its name and a way to put another in its place."""

import hashlib
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from verifier.audit.kits import kit_of

DEPTH = 3


@dataclass
class Place:
    """One array, where it stands.

    Attributes:
        put: stores another there; an array that is written in place keeps its identity, for whoever else holds it.
    """

    name: str
    value: Any
    put: Callable[[Any], None]


def places_in(container: MutableMapping[str, Any], prefix: str) -> list[Place]:
    """Of all arrays among the container's values, at most three levels down."""
    return [place for key in list(container) for place in _below(f"{prefix}{key}", container[key], _putting(container, key), DEPTH)]


def _putting(container: Any, key: Any) -> Callable[[Any], None]:
    return lambda value: container.__setitem__(key, value)


def _below(name: str, value: Any, put: Callable[[Any], None], depth: int) -> list[Place]:
    if hasattr(value, "shape") or isinstance(value, float):
        return [Place(name, value, put)] if kit_of(value).view(value) is not None else []
    if not depth:
        return []
    if isinstance(value, dict):
        return [one for key in list(value) for one in _below(f"{name}[{key!r}]", value[key], _putting(value, key), depth - 1)]
    if isinstance(value, list):
        return [one for at, held in enumerate(value) for one in _below(f"{name}[{at}]", held, _putting(value, at), depth - 1)]
    if type(value) is tuple:
        return _in_tuple(name, value, put, depth)
    return []


def _in_tuple(name: str, value: tuple[Any, ...], put: Callable[[Any], None], depth: int) -> list[Place]:
    """A tuple takes nothing: another is put in its place."""
    held = list(value)

    def putting(number: int) -> Callable[[Any], None]:
        def put_one(new: Any) -> None:
            held[number] = new
            put(tuple(held))

        return put_one

    return [one for at, inner in enumerate(value) for one in _below(f"{name}[{at}]", inner, putting(at), depth - 1)]


def arrays_of(owner: Any) -> dict[str, tuple[int, bytes]]:
    """By place, which array an object holds and a digest of its numbers."""
    attributes = getattr(owner, "__dict__", {})
    return {place.name: (id(place.value), digest(place.value)) for place in places_in(attributes, "self.")}


def digest(value: Any) -> bytes:
    """Of an array's numbers."""
    array = kit_of(value).view(value)
    return b"" if array is None else hashlib.blake2b(array.tobytes(), digest_size=16).digest()
