"""Where a mistake shows: which sizes and options all failing problems have, and none of the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

from verifier.contracts.layer.letters import known_as

Values = Mapping[str, Any]
Holds = Callable[[Values], bool]
WINDOWS = (*known_as("pool_height"), *known_as("pool_width"), "HH", "WW")
LENGTHS = ("H", "W", "V", "L")
NEEDED = 3  # right problems that do not meet a condition, where some right ones do
OTHERS = 0.7  # right problems that meet it all the same, for each failing one
TELLING = ("N", "T", "S")  # sizes that two right problems are enough for: samples and steps
LEAST = 2  # problems on either side, or a condition says nothing


def shown_when(failing: Sequence[Values], right: Sequence[Values], sizes: Sequence[str]) -> str:
    """``with pad = 0 only``, or "" where it shows everywhere or nothing simple tells the two apart."""
    if len(failing) < LEAST or len(right) < LEAST:
        return ""
    conditions = list(_conditions(failing, right, sizes))
    for words, holds in conditions:
        if all(holds(values) for values in failing) and not any(holds(values) for values in right):
            return words
    chance = tuple(f"with {name} = " for name in sizes)  # a size that all have in common, and some right ones too: it was drawn so
    for words, holds in conditions:  # what it needs, though other things have to come together with it
        if words.startswith(chance) and not words.endswith(" = 1 only"):
            continue
        meeting = sum(holds(values) for values in right)
        if all(holds(values) for values in failing) and len(right) - meeting >= NEEDED and meeting <= OTHERS * len(failing):
            return words
    return ""


def _conditions(failing: Sequence[Values], right: Sequence[Values], sizes: Sequence[str]) -> Iterator[tuple[str, Holds]]:
    every = [*failing, *right]
    names = [name for name in every[0] if all(name in values for values in every)]
    for name in names:
        for value in dict.fromkeys(str(values[name]) for values in failing):
            yield f"with {name} = {value} only", partial(_is, name, value)
    # Of two right problems many a size is 1 by chance.
    enough = [name for name in names if len(right) > LEAST or name not in sizes or name in TELLING]
    names = [name for name in names if name in enough]
    numeric = [name for name in names if all(isinstance(values[name], int | float) for values in every)]
    for name in numeric:
        yield f"with {name} > 1 only", partial(_above, 1, name)
        most = max(values[name] for values in right)
        if name in sizes and most > 1:
            yield f"with {name} > {most} only", partial(_above, most, name)
        yield f"with {name} > 0 only", partial(_above, 0, name)
    for one, other in combinations([name for name in numeric if name in sizes], 2):
        yield f"where {one} and {other} differ only", partial(_differ, one, other)
        yield f"where {one} = {other} only", partial(_agree, one, other)
    for name in enough:
        yield f"unless {name} = {right[0][name]}", partial(_is_not, name, str(right[0][name]))
    lengths = [name for name in numeric if name in LENGTHS]
    if lengths:
        yield f"where {' or '.join(lengths)} is odd only", partial(_odd, lengths)
    windows = [name for name in numeric if name in WINDOWS]
    stride = next((name for name in known_as("stride") if name in numeric and name not in sizes), None)
    if stride is not None and windows:
        yield "where windows overlap only", partial(_overlap, stride, windows)
        yield "where the stride does not divide only", partial(_undivided, stride, windows, lengths)
    for other in [name for name in numeric if name != "N"] if "N" in numeric else []:
        yield f"with N > 1 and {other} > 1 only", partial(_both_above, "N", other)


def _is(name: str, value: str, values: Values) -> bool:
    return str(values[name]) == value


def _is_not(name: str, value: str, values: Values) -> bool:
    return str(values[name]) != value


def _above(bound: float, name: str, values: Values) -> bool:
    return bool(values[name] > bound)


def _both_above(one: str, other: str, values: Values) -> bool:
    return bool(values[one] > 1 and values[other] > 1)


def _differ(one: str, other: str, values: Values) -> bool:
    return bool(values[one] != values[other])


def _agree(one: str, other: str, values: Values) -> bool:
    return bool(values[one] == values[other])


def _overlap(stride: str, windows: Sequence[str], values: Values) -> bool:
    return any(values[stride] < values[name] for name in windows)


def _odd(lengths: Sequence[str], values: Values) -> bool:
    return any(values[name] % 2 for name in lengths)


def _undivided(stride: str, windows: Sequence[str], lengths: Sequence[str], values: Values) -> bool:
    """Whether a stride leaves a rest of a length, whichever of the windows goes over it."""
    pad = next((int(values[name]) for name in known_as("pad") if isinstance(values.get(name), int)), 0)
    padded = [values[name] + 2 * pad for name in lengths]
    return any((length - values[window]) % values[stride] for length in padded for window in windows)
