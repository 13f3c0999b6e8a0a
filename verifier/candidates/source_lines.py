"""A line of the candidate's source, as the referee reads it, and where in it a value is made. Read as text; the place came from a worker.

A worker is in the candidate's hands: the file that it names may be any file of this machine. Only the candidate's own are read.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

from verifier.candidates.discovery import Candidate
from verifier.candidates.script_block import read_source
from verifier.errors import RequestError

LONGEST = 200  # characters of a line that are shown


@dataclass(frozen=True)
class SourceLine:
    """A line without its indentation; `column` and `length` of what the caret stands below, length 0 where that is not known."""

    text: str
    column: int = 0
    length: int = 0


def source_line(candidate: Candidate, file: str, line: int) -> SourceLine | None:
    """The line of this number (from 1) in one of the candidate's own files; None where there is no such line."""
    own = own_file(candidate, file)
    if own is None:
        return None
    try:
        source = read_source(own, candidate.path)
    except RequestError:
        return None
    lines = source.split("\n")
    if not 1 <= line <= len(lines) or not lines[line - 1].strip():
        return None
    whole = lines[line - 1].rstrip()
    text = whole.lstrip()
    indent = len(whole) - len(text)
    column, end = _span(source, line, whole)
    column, end = max(column - indent, 0), min(end - indent, LONGEST)
    return SourceLine(text[:LONGEST], column, max(end - column, 0))


def own_file(candidate: Candidate, file: str) -> Path | None:
    """The file, where it is the candidate's own Python file, with every link followed; else None."""
    try:
        real = Path(file).resolve(strict=True)
        if candidate.file is not None and real == candidate.file.resolve(strict=True):
            return real
        inside = candidate.root is not None and real.is_relative_to(candidate.root.resolve(strict=True))
    except (OSError, ValueError, RuntimeError):
        return None
    return real if inside and real.suffix == ".py" and real.is_file() else None


def _span(source: str, line: int, whole: str) -> tuple[int, int]:
    """Where in a line the value of its statement stands, in characters: what is assigned, returned or called; the whole line otherwise."""
    everything = len(whole) - len(whole.lstrip()), len(whole)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return everything
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno == line]
    value = getattr(statements[-1], "value", None) if statements else None
    if not isinstance(value, ast.expr):
        return everything
    encoded = whole.encode()
    start = len(encoded[: value.col_offset].decode(errors="replace"))
    end = len(whole) if value.end_lineno != line else len(encoded[: value.end_col_offset].decode(errors="replace"))
    return (start, end) if value.lineno == line else everything
