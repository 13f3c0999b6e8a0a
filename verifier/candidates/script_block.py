"""The inline `script` block of a Python file (PEP 723), found in the text as the reference regular expression finds it.

    # /// script
    # [tool.verifier]
    # contract = "mlp"
    # ///

It is found by lines, in linear time; the reference expression needs quadratic time on a file made against it. A test holds the two
against each other. What is almost a block is an error: a manifest that was written must never silently be the defaults.
"""

import codecs
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

from verifier.contracts.keys import printable
from verifier.errors import ManifestError, RequestError
from verifier.notebook import LARGEST as LARGEST_NOTEBOOK
from verifier.notebook import SUFFIX as NOTEBOOK
from verifier.notebook import NotebookError, read_cells

SLOW_ENCODINGS = ("punycode", "idna")  # written in Python; the first takes an hour for eight megabytes, and no program is written in them
LARGEST_SOURCE = 8 * 1024 * 1024  # bytes; of a file that the referee reads whole

OPENING = re.compile(r"# /// ([a-zA-Z0-9-]+)")
CONTENT = re.compile(r"#(| .*)")
CLOSING = "# ///"
ALMOST_OPENING = re.compile(r"\s*#\s*/{2,4}\s*script\s*", re.IGNORECASE)
TABLE_LINE = re.compile(r"\s*#\s*\[\s*tool\s*\.\s*verifier\s*\]\s*")
OWN_TYPES = ("verifier", "backprop-verifier")


@dataclass(frozen=True)
class Block:
    """A comment block: its type, its text without the comment signs, and the number of its opening line."""

    type: str
    text: str
    line: int


def read_source(path: Path, shown: str) -> str:
    """The text of a Python file or of a notebook's cells, line ends as ``\\n``, without a byte order mark. What its encoding cannot read
    is replaced: that is for Python to complain about when the candidate is loaded. Raises RequestError where it cannot be read."""
    return "\n\n".join(source for _, source in read_parts(path, shown))


def read_parts(path: Path, shown: str) -> list[tuple[str, str]]:
    """The text of a Python file, or of each code cell of a notebook; before each, what messages call its place."""
    notebook = path.suffix.lower() == NOTEBOOK
    largest = LARGEST_NOTEBOOK if notebook else LARGEST_SOURCE
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise RequestError(f"{printable(shown)}: cannot be read: {error.strerror}.") from None
    if not notebook:
        return [(shown, _decoded(data, shown))]
    try:
        return [(cell.place(shown), cell.source) for cell in read_cells(data)]
    except NotebookError as error:
        raise RequestError(f"{printable(shown)}: {error}.") from None


def _decoded(data: bytes, shown: str) -> str:
    if len(data) > LARGEST_SOURCE:
        raise RequestError(f"{printable(shown)}: is larger than {LARGEST_SOURCE:,} bytes, no Python file of a candidate.")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode("utf-8-sig" if codecs.lookup(encoding).name in SLOW_ENCODINGS else encoding, errors="replace")
    except (SyntaxError, LookupError, ValueError):
        text = data.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def find_blocks(source: str) -> list[Block]:
    """Every comment block of the text. A run of comment lines holds at most one: from its first opening to its last closing line."""
    lines = source.split("\n")
    blocks = []
    for first, end in _comment_runs(lines):
        opening = next((index for index in range(first, end) if OPENING.fullmatch(lines[index])), None)
        closing = next((index for index in range(end - 1, first, -1) if lines[index] == CLOSING), None)
        if opening is not None and closing is not None and closing > opening + 1:
            content = "".join(line.removeprefix("#").removeprefix(" ") + "\n" for line in lines[opening + 1 : closing])
            blocks.append(Block(lines[opening].removeprefix("# /// "), content, opening + 1))
    return blocks


def script_block(source: str, shown: str) -> Block | None:
    """The file's `script` block, or None where it has none.

    Raises:
        ManifestError: there are two, it is not closed, or something stands there that is almost one.
    """
    blocks = find_blocks(source)
    scripts = [block for block in blocks if block.type == "script"]
    if len(scripts) > 1:
        raise _error(shown, scripts[1].line, f"a second script block; the first begins on line {scripts[0].line}, and only one is allowed.")
    if scripts:
        return scripts[0]
    _refuse_almost(source, shown, blocks)
    return None


def stray_table_line(source: str) -> int | None:
    """Number of the first line that would be the manifest's header, ``# [tool.verifier]``, for a file whose block has no such table."""
    return next((number for number, line in enumerate(source.split("\n"), 1) if TABLE_LINE.fullmatch(line)), None)


def _refuse_almost(source: str, shown: str, blocks: list[Block]) -> None:
    lines = source.split("\n")
    own = next((block for block in blocks if block.type in OWN_TYPES), None)
    if own:
        raise _error(shown, own.line, f'there is no block type "{own.type}": open it with "# /// script" and write [tool.verifier].')
    for index, line in enumerate(lines):
        if line == "# /// script":
            raise _error(shown, index + 1, _why_open(lines, index))
        if ALMOST_OPENING.fullmatch(line):
            raise _error(shown, index + 1, 'a script block opens with exactly "# /// script", at the start of the line.')
    stray = stray_table_line(source)
    if stray:
        raise _error(shown, stray, '[tool.verifier] is outside a script block: put "# /// script" before it and "# ///" after it.')


def _why_open(lines: list[str], opening: int) -> str:
    last = max(index for index, line in enumerate(lines) if line)
    end = next((index for index in range(opening + 1, last + 1) if not CONTENT.fullmatch(lines[index])), len(lines))
    if lines[opening + 1 : opening + 2] == [CLOSING]:
        return "the script block is empty."
    before = f'line {end + 1}, which does not begin with "# "' if end < len(lines) else "the end of the file"
    return f'the script block that opens here is not closed: there is no line "# ///" before {before}.'


def _comment_runs(lines: list[str]) -> list[tuple[int, int]]:
    """The longest runs of lines that a block may consist of, as (first, end)."""
    runs, first = [], None
    for index, line in enumerate([*lines, "x"]):
        if CONTENT.fullmatch(line):
            first = index if first is None else first
        elif first is not None:
            runs.append((first, index))
            first = None
    return runs


def _error(shown: str, line: int, says: str) -> ManifestError:
    return ManifestError(f"{printable(shown)}, line {line}: {says}")
