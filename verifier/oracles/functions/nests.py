"""Arguments that hold arrays in dictionaries, lists and tuples: each array by a name that its author would write, and back again."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What a nest holds: `parameters['W']`, `layers[0]`; what is none is itself."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from leaves(f"{name}[{key!r}]", one)
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from leaves(f"{name}[{index}]", one)
    else:
        yield name, value


def rebuilt(name: str, value: Any, put: Callable[[str, Any], Any]) -> Any:
    """The same nest, `put(name, leaf)` in each leaf's place."""
    if isinstance(value, Mapping):
        filled = {key: rebuilt(f"{name}[{key!r}]", one, put) for key, one in value.items()}
        return filled if type(value) is dict else type(value)(filled)  # type: ignore[call-arg]
    if isinstance(value, list | tuple):
        parts = [rebuilt(f"{name}[{index}]", one, put) for index, one in enumerate(value)]
        if hasattr(value, "_fields"):
            return type(value)(*parts)
        return parts if isinstance(value, list) else tuple(parts)
    return put(name, value)


def matched(name: str, value: Any, answer: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of `answer` by the names of `value`'s; a key or an entry that is missing is None."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            given = answer.get(key) if isinstance(answer, Mapping) else None
            yield from matched(f"{name}[{key!r}]", one, given)
    elif isinstance(value, list | tuple):
        entries = list(answer) if isinstance(answer, list | tuple) else [None] * len(value)
        for index, one in enumerate(value):
            yield from matched(f"{name}[{index}]", one, entries[index] if index < len(entries) else None)
    else:
        yield name, answer
