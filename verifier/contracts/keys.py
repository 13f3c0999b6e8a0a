"""Reading a table of keys and values: what each key takes, and a sentence about the first thing that is wrong.

A `Key` knows how to read its value and says in words what is allowed. `read_table` reads a whole table. Both raise `TableError`,
whose sentence goes on where the caller stops, who alone knows the file and the line: ``student.py, line 4: manifest key "l2" `` + says.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = ((bool, ""), (str, "the string"), (int, "the number"), (float, "the number"), (list, "the list"))
SHOWN_LENGTH = 80  # a value in a message; longer ones are cut, the message must stay one line


class TableError(ValueError):
    """One key of a table is wrong.

    Attributes:
        key: the key as written.
        says: the rest of the sentence: what stands there, what is allowed, a near miss.
    """

    def __init__(self, key: str, says: str) -> None:
        super().__init__(f"{shown(key)} {says}")
        self.key = key
        self.says = says


@dataclass(frozen=True)
class Key:
    """How the value of one key is read (`read(key, value)`, raises TableError), and in words what is `allowed`."""

    read: Callable[[str, Any], Any]
    allowed: str


def read_table(table: Mapping[str, Any], keys: Mapping[str, Key]) -> dict[str, Any]:
    """The values of `table`, read; raises TableError at the first key that is not known or holds what it may not."""
    for key in table:
        if key not in keys:
            raise TableError(key, f"is not known.{did_you_mean(key, keys) or ' Known are ' + ', '.join(sorted(keys)) + '.'}")
    return {key: keys[key].read(key, value) for key, value in table.items()}


def shown(value: Any) -> str:
    """The value as it would stand in TOML, on one line, cut to a readable length; nothing in it reaches a terminal raw."""
    text = printable(_as_toml(value))
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + "…"


def printable(text: str) -> str:
    """Foreign text for a message: what would move a terminal's cursor or hide text is written as an escape."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)


def did_you_mean(word: str, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """`` Did you mean "x"?`` for the nearest known word (or the one that an alias stands for), else nothing."""
    plain = _plain(word)
    spelled = {_plain(entry): entry for entry in known}
    alias = (aliases or {}).get(plain)
    close = [alias] if alias in spelled else difflib.get_close_matches(plain, spelled, n=1, cutoff=0.6)
    return f' Did you mean "{spelled[close[0]]}"?' if close else ""


def word(*allowed: str, aliases: Mapping[str, str] | None = None) -> Key:
    """A key that takes one of the allowed words."""

    def read(key: str, value: Any) -> str:
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            raise TableError(key, f"is the list {shown(value)}; it takes one string: {key} = {shown(value[0])}.")
        return _allowed_word(key, value, allowed, aliases)

    return Key(read, _quoted(allowed))


def words(*allowed: str, aliases: Mapping[str, str] | None = None, elsewhere: Mapping[str, str] | None = None) -> Key:
    """A key that takes a list of different allowed words; `elsewhere` explains words that belong to another key."""

    def read(key: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            raise TableError(key, f"is the string {shown(value)}; it takes a list: {key} = [{shown(value)}].")
        if not isinstance(value, list):
            raise TableError(key, f"is {described(value)}; it takes a list of strings, of {_quoted(allowed)}.")
        if not value:
            raise TableError(key, f"is an empty list; it takes at least one of {_quoted(allowed)}.")
        for entry in value:
            if isinstance(entry, str) and entry in (elsewhere or {}):
                raise TableError(key, f"holds {shown(entry)}: {(elsewhere or {})[entry]}")
            _allowed_word(key, entry, allowed, aliases)
        repeated = [entry for index, entry in enumerate(value) if entry in value[:index]]
        if repeated:
            raise TableError(key, f"holds {shown(repeated[0])} twice.")
        return tuple(value)

    return Key(read, f"a list of {_quoted(allowed)}")


def flag() -> Key:
    """A key that takes true or false."""

    def read(key: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise TableError(key, f"is {described(value)}; it takes true or false, without quotes.")
        return value

    return Key(read, "true or false")


def number(allowed: str, fits: Callable[[float], bool]) -> Key:
    """A key that takes a finite real number which `fits`; `allowed` says which those are."""

    def read(key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TableError(key, f"is {described(value)}; it takes {allowed}.")
        real = _as_float(value)
        if not (math.isfinite(real) and fits(real)):
            raise TableError(key, f"is {shown(value)}; it takes {allowed}.")
        return real

    return Key(read, allowed)


def whole(low: int, high: int, what: str = "a whole number") -> Key:
    """A key that takes an integer from `low` to `high`."""
    allowed = f"{what} from {low:,} to {high:,}"

    def read(key: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TableError(key, f"is {described(value)}; it takes {allowed}.")
        if not low <= value <= high:
            raise TableError(key, f"is {shown(value)}; it takes {allowed}.")
        return value

    return Key(read, allowed)


def wholes(low: int, high: int, *, at_least: int, at_most: int, what: str) -> Key:
    """A key that takes a list of integers, each from `low` to `high`."""
    allowed = f"a list of {at_least} to {at_most} whole numbers from {low:,} to {high:,}, {what}"

    def read(key: str, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list):
            raise TableError(key, f"is {described(value)}; it takes {allowed}.")
        for entry in value:
            if isinstance(entry, bool) or not isinstance(entry, int) or not low <= entry <= high:
                raise TableError(key, f"holds {shown(entry)}; it takes {allowed}.")
        if not at_least <= len(value) <= at_most:
            raise TableError(key, f"is {shown(value)}, which has {len(value)} entries; it takes {allowed}.")
        return tuple(value)

    return Key(read, allowed)


def text(pattern: str, allowed: str) -> Key:
    """A key that takes a string which matches the whole pattern."""

    def read(key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise TableError(key, f"is {described(value)}; it takes {allowed}.")
        if not re.fullmatch(pattern, value):
            raise TableError(key, f"is {shown(value)}; it takes {allowed}.")
        return value

    return Key(read, allowed)


def texts(pattern: str, allowed: str) -> Key:
    """A key that takes a list of strings, each of which matches the whole pattern."""

    def read(key: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            raise TableError(key, f"is the string {shown(value)}; it takes a list: {key} = [{shown(value)}].")
        if not isinstance(value, list):
            raise TableError(key, f"is {described(value)}; it takes a list of {allowed}.")
        for entry in value:
            if not isinstance(entry, str) or not re.fullmatch(pattern, entry):
                raise TableError(key, f"holds {shown(entry)}; it takes a list of {allowed}.")
        return tuple(dict.fromkeys(value))

    return Key(read, f"a list of {allowed}")


def table_of(what: str) -> Key:
    """A table, whose keys and values are read elsewhere."""

    def read(key: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise TableError(key, f"is {described(value)}; it takes a table of {what}.")
        return value

    return Key(read, f"a table of {what}")


def described(value: Any) -> str:
    """The value with its kind before it: ``the string "0.1"``, ``the number 3``, ``a table``."""
    if isinstance(value, Mapping):
        return "a table"
    kind = next((name for known, name in KINDS if isinstance(value, known)), "the date")
    return f"{kind} {shown(value)}".lstrip()


def _allowed_word(key: str, value: Any, allowed: Sequence[str], aliases: Mapping[str, str] | None) -> str:
    if not isinstance(value, str):
        raise TableError(key, f"holds {described(value)}; allowed: {_quoted(allowed)}.")
    if value not in allowed:
        raise TableError(key, f"holds {shown(value)}; allowed: {_quoted(allowed)}.{did_you_mean(value, allowed, aliases)}")
    return value


def _quoted(allowed: Iterable[str]) -> str:
    return ", ".join(f'"{entry}"' for entry in allowed)


def _plain(word: str) -> str:
    """The word as it is compared for a near miss: case and separators do not count."""
    return re.sub(r"[\s-]+", "_", word[:SHOWN_LENGTH].strip().lower())


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value[: SHOWN_LENGTH + 1].replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_as_toml(entry) for entry in value[:SHOWN_LENGTH]) + "]"
    if isinstance(value, int) and abs(value) >= 10**20:
        return f"about {'-' if value < 0 else ''}2^{value.bit_length() - 1}"  # str() refuses integers of more than 4,300 digits
    return "a table" if isinstance(value, Mapping) else str(value)
