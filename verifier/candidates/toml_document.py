"""TOML that stands in a file, whole or as part of it: its tables, and errors that say in which line of the file what stands.

`tomllib` gives lines for broken TOML only. The line of a key is found by it too: the key begins on the first line that mentions it
where the text before is TOML without the key, and the text from there on is TOML with it.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.contracts.keys import TableError, printable, shown
from verifier.errors import ManifestError, RequestError

LARGEST_TOML = 64 * 1024  # bytes; a manifest has a few lines, and one that was made to be slow to read must stay quick
MOST_MENTIONS = 40  # lines that mention a key and are tried as its place; beyond, a message goes without its line
LONGEST_VALUE = 40  # lines that one value may take for the same
MOST_READ = 1 << 19  # characters in all that are read again for that
MOST_PARTS = 32  # of a dotted key: tomllib takes minutes for one of 30,000
_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{{MOST_PARTS}}}")


@dataclass(frozen=True)
class TomlDocument:
    """A TOML text and where it stands.

    Attributes:
        shown: the file, as the user named it.
        text: the TOML.
        first_line: number, in the file, of the text's first line.
        inside: path of the table whose keys are meant, e.g. ``("tool", "verifier")``.
        kind: how messages call it, `manifest` or `assignment`.
    """

    shown: str
    text: str
    first_line: int = 1
    inside: tuple[str, ...] = ()
    kind: str = "manifest"

    def tables(self) -> dict[str, Any]:
        """The whole document, read. Raises the error of its kind where it is not TOML."""
        if len(self.text) > LARGEST_TOML:
            raise self.error_at(None, f"the {self.kind} has {len(self.text):,} characters; at most {LARGEST_TOML:,} are read.")
        if (long := _LONG_KEY.search(self.text)) is not None:
            line = self.first_line + self.text.count("\n", 0, long.start())
            raise self.error_at(line, f"the {self.kind} has a key of more than {MOST_PARTS} parts: {shown(long[0])}.")
        try:
            tables = tomllib.loads(self.text)
        except RecursionError:
            raise self.error_at(self.first_line, f"the {self.kind} nests its values too deeply.") from None
        except ValueError as error:
            raise self._syntax_error(str(error)) from None
        if (large := next(_beyond_64_bits(tables), None)) is not None:
            raise self.error_at(None, f"the {self.kind} holds the number {shown(large)}; whole numbers of TOML have 64 bits.")
        return tables

    def line_of(self, key: str = "") -> int | None:
        """Number, in the file, of the line on which a key of the table `inside` begins (dots lead into tables below it).

        That of the table itself where no key is given; None where it is not found.
        """
        path = (*self.inside, *key.split(".")) if key else self.inside
        index = _index_of(self.text, path) if path else None
        return None if index is None else self.first_line + index

    def error_of(self, error: TableError, *, below: str = "") -> RequestError:
        """The error of one key, with its file, line and full name; `below` names the table in which the key stands."""
        key = f"{below}.{error.key}" if below else error.key
        line = self.line_of(key) or self.line_of(below)
        return self.error_at(line, f"{self.kind} key {shown(key)} {error.says}")

    def error_at(self, line: int | None, says: str) -> RequestError:
        """An error at a line of the file: ManifestError for a manifest, else RequestError."""
        place = printable(self.shown) + (f", line {line}" if line else "")
        return (ManifestError if self.kind == "manifest" else RequestError)(f"{place}: {printable(says)}")

    def _syntax_error(self, message: str) -> RequestError:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
        lines = self.text.split("\n")
        index = int(place[1]) - 1 if place and place[1] else len(lines) - 1
        reason = message[: place.start()] if place else message
        hint = " (strings are written in double quotes, true and false in small letters)" if reason == "Invalid value" else ""
        stands = f": {shown(lines[index].strip())[1:-1]}" if index < len(lines) and lines[index].strip() else ""
        return self.error_at(self.first_line + index, f"the {self.kind} is not valid TOML, {reason[:1].lower()}{reason[1:]}{hint}{stands}")


def read_toml(path: Path, shown_as: str, kind: str) -> TomlDocument:
    """The TOML file at `path`. Raises the error of its kind where it cannot be read or is not UTF-8."""
    document = TomlDocument(shown_as, "", kind=kind)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_TOML + 1)
    except OSError as error:
        raise document.error_at(None, f"the {kind} cannot be read: {error.strerror}.") from None
    if len(data) > LARGEST_TOML:
        raise document.error_at(None, f"the {kind} is larger than {LARGEST_TOML:,} bytes.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise document.error_at(data.count(b"\n", 0, error.start) + 1, f"the {kind} is not UTF-8, as TOML is.") from None
    return TomlDocument(shown_as, text.replace("\r\n", "\n"), kind=kind)


def _beyond_64_bits(value: Any) -> Iterator[int]:
    """Whole numbers that TOML does not have, though tomllib reads them: no report could hold them."""
    if isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _beyond_64_bits(one)
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        yield value


def _index_of(text: str, path: tuple[str, ...]) -> int | None:
    search = _Search(text.split("\n"), path, MOST_READ)
    mentions = [index for index, line in enumerate(search.lines) if path[-1] in line]
    return next((index for index in mentions[:MOST_MENTIONS] if search.holds(index) is False and search.begins(index)), None)


@dataclass
class _Search:
    """For the line on which the key at this path begins; `left` is how many characters may still be read."""

    lines: list[str]
    path: tuple[str, ...]
    left: int

    def begins(self, index: int) -> bool:
        """Whether the statement that begins on line `index`, which may take several lines, brings the key."""
        ends = range(index + 1, min(len(self.lines), index + LONGEST_VALUE) + 1)
        return next((holds for end in ends if (holds := self.holds(end)) is not None), False)

    def holds(self, end: int) -> bool | None:
        """Whether the text before line `end` has the key; None where it is not TOML, or enough was read."""
        text = "\n".join(self.lines[:end])
        self.left -= len(text)
        try:
            table: Any = tomllib.loads(text) if self.left >= 0 else None
        except (ValueError, RecursionError):
            table = None
        if table is None:
            return None
        for key in self.path:
            if not isinstance(table, Mapping) or key not in table:
                return False
            table = table[key]
        return True
