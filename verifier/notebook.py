"""A Jupyter notebook as Python text, cell by cell. It is read as JSON, and nothing of it runs here: both sides of the boundary read it.

A cell's number is its place in the notebook, text cells counted, first 1. What is no Python keeps its line, so that the lines of a cell
stay where its author sees them: a magic or a command of the shell becomes `pass`, a cell in another language is empty.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SUFFIX = ".ipynb"
LARGEST = 64 * 1024 * 1024  # bytes; most of a large notebook is pictures
PLACE = re.compile(r"(.*\.ipynb), cell (\d+)", re.DOTALL)
MAGIC = re.compile(r"([ \t]*)(?:%[A-Za-z_]\w*|![^=\s]|\?{1,2}\w|[\w.]+\?{1,2}\s*$|(?:pip|conda)[ \t]+install\b).*")
ASSIGNED = re.compile(r"([ \t]*\w[\w, ]*=[ \t]*)(?:%[A-Za-z_]|![^=\s]).*")
STILL_PYTHON = ("%%time", "%%timeit", "%%capture", "%%prun")


class NotebookError(Exception):
    """It is no notebook of Python; the text says why, without its name."""


@dataclass(frozen=True)
class Cell:
    """A code cell: its place in the notebook, from 1, and its text as Python."""

    number: int
    source: str

    def place(self, notebook: str) -> str:
        """What stands for a file's name where this cell is meant: ``net.ipynb, cell 7``."""
        return f"{notebook}, cell {self.number}"


def read_cells(data: bytes) -> list[Cell]:
    """The code cells of a notebook of format 3 or 4, in order. Raises NotebookError where it is none, or not in Python."""
    if len(data) > LARGEST:
        raise NotebookError(f"is larger than {LARGEST:,} bytes; clear its outputs")
    if not data.strip():
        raise NotebookError("is empty, and a notebook is JSON")
    try:
        book = json.loads(data)
    except RecursionError:
        raise NotebookError("is no notebook: its JSON is too deep") from None
    except ValueError as error:
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise NotebookError(f"is no notebook: it is not JSON{line}") from None
    cells = _listed(book)
    language = _language(book)
    if language and "python" not in language.lower():
        raise NotebookError(f"is a notebook in {language[:40]}, and Python is judged")
    found = [Cell(number, _python(_text(cell))) for number, cell in enumerate(cells, 1) if cell.get("cell_type") == "code"]
    if not found:
        raise NotebookError("is a notebook without a code cell")
    return found


def split_place(file: str) -> tuple[str, int | None]:
    """A file's name as a worker tells it, and the number of the cell where it is one of a notebook."""
    match = PLACE.fullmatch(file)
    return (match[1], int(match[2])) if match else (file, None)


def _listed(book: Any) -> list[dict[str, Any]]:
    sheets = book.get("worksheets") if isinstance(book, dict) else None
    cells = sheets[0].get("cells") if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict) else None
    cells = book.get("cells", cells) if isinstance(book, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise NotebookError("is no notebook: its JSON has no list of cells")
    return cells


def _language(book: dict[str, Any]) -> str:
    metadata = book.get("metadata")
    for table, key in (("language_info", "name"), ("kernelspec", "language")):
        said = metadata.get(table) if isinstance(metadata, dict) else None
        if isinstance(said, dict) and isinstance(said.get(key), str):
            return str(said[key])
    return ""


def _text(cell: dict[str, Any]) -> str:
    said = cell.get("source", cell.get("input", ""))
    parts = said if isinstance(said, list) else [said]
    if not all(isinstance(part, str) for part in parts):
        raise NotebookError("is no notebook: a cell's source is no text")
    return "".join(parts).replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()


def _python(text: str) -> str:
    return "\n".join(_lines_of_python(text.split("\n")))


def _lines_of_python(lines: list[str]) -> Iterator[str]:
    first = next((line.strip() for line in lines if line.strip()), "")
    if first.startswith("%%") and not first.startswith(STILL_PYTHON):
        yield from ("" for _ in lines)
        return
    for line in lines:
        magic, assigned = MAGIC.fullmatch(line), ASSIGNED.fullmatch(line)
        if line.startswith("%%"):
            yield ""
        elif magic:
            yield f"{magic[1]}pass"
        else:
            yield f"{assigned[1]}None" if assigned else line
