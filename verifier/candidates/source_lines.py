"""A line of the candidate's source, as the referee reads it, and where in it a value is made. Read as text; the place came from a worker.

A worker is in the candidate's hands: the file that it names may be any file of this machine. Only the candidate's own are read.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from verifier.candidates.discovery import PYTHON, Candidate
from verifier.candidates.script_block import read_parts, read_source
from verifier.errors import RequestError
from verifier.notebook import split_place

LONGEST = 200  # characters of a line that are shown
PIECES = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[-+*/@%&|^<>=!:]*=|[][(){}#]")
CLASS = re.compile(r"^class[ \t]+([^\W\d]\w{0,80})", re.MULTILINE)
RUNS = re.compile(r"^(?:for|while)\b|^(?:\w[\w, ]{0,80}= ?)?[^\W\d][\w.]{0,80}\(", re.MULTILINE)
RETURN = re.compile(r"return\b\s*")


@dataclass(frozen=True)
class SourceLine:
    """A line without its indentation; `column` and `length` of what the caret stands below, length 0 where that is not known."""

    text: str
    column: int = 0
    length: int = 0


def source_line(candidate: Candidate, file: str, line: int) -> SourceLine | None:
    """The line of this number (from 1) in one of the candidate's own files; None where there is no such line."""
    lines = lines_of(candidate, file)
    if not 1 <= line <= len(lines) or not lines[line - 1].strip():
        return None
    text = lines[line - 1].strip()[:LONGEST]
    column, end = _span(text)
    return SourceLine(text, column, end - column)


def passage(candidate: Candidate, file: str, first: int, last: int, start: int, end: int) -> str:
    """What stands from one column of a line (from 1) to another of the same or a later one, in one line; "" where nothing does."""
    lines = lines_of(candidate, file)
    if not 1 <= first <= last <= len(lines):
        return ""
    there = [line.encode() for line in lines[first - 1 : last]]  # columns are counted in bytes
    there[-1] = there[-1][:end]
    there[0] = there[0][start:]
    return " ".join(b"\n".join(there).decode(errors="replace").split())


def lines_of(candidate: Candidate, file: str) -> list[str]:
    """The lines of one of the candidate's own files, or of a cell; none where it is not its own."""
    own = own_file(candidate, file)
    if own is None:
        return []
    try:
        parts = read_parts(own, candidate.path)
    except RequestError:
        return []
    place = candidate.path + file.removeprefix(split_place(file)[0])  # a cell of a notebook, else the file
    return next((source.split("\n") for shown, source in parts if shown in (place, candidate.path)), [])


def classes_in(candidate: Candidate) -> list[str]:
    """The classes that the candidate's file defines at its top level, in order."""
    return CLASS.findall(_source(candidate))


def runs_when_loaded(candidate: Candidate) -> bool:
    """Whether the candidate's file has a loop or a call at its top level, as a script that trains has."""
    return RUNS.search(_source(candidate)) is not None


def _source(candidate: Candidate) -> str:
    try:
        return "" if candidate.file is None else read_source(candidate.file, candidate.path)
    except RequestError:
        return ""


def own_file(candidate: Candidate, file: str) -> Path | None:
    """The file, or the notebook of a cell, where it is the candidate's own, with every link followed; else None."""
    try:
        real = Path(split_place(file)[0]).resolve(strict=True)
        if candidate.file is not None and real == candidate.file.resolve(strict=True):
            return real
        inside = candidate.root is not None and real.is_relative_to(candidate.root.resolve(strict=True))
    except (OSError, ValueError, RuntimeError):
        return None
    return real if inside and real.suffix in PYTHON and real.is_file() else None


def _span(line: str) -> tuple[int, int]:
    """Where in a line the value of its statement stands: behind the last `=` outside of brackets and texts, or behind `return`.

    By its signs alone: to parse a whole file that somebody made against the parser can end the process. Where there is neither, all of it.
    """
    start, end, depth = 0, len(line), 0
    for piece in PIECES.finditer(line):
        sign = piece[0]
        if sign == "#":
            end = piece.start()
            break
        depth += (sign in "([{") - (sign in ")]}")
        if sign.endswith("=") and depth == 0 and sign not in ("==", "<=", ">=", "!=", ":="):
            start = piece.end()
    returned = RETURN.match(line)
    start = returned.end() if returned else start
    value = line[start:end]
    return start + len(value) - len(value.lstrip()), start + len(value.rstrip())
