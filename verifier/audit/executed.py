"""What a test depends on: the project's functions that it runs, by the content of their code; so that a result is kept while they stay."""

import ast
import contextlib
import hashlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class Execution:
    """Notes which of a folder's functions run during each test."""

    def __init__(self, root: Path) -> None:
        self._root = f"{root}/"
        self._codes: dict[str, set[CodeType]] = {}

    @contextlib.contextmanager
    def __call__(self, test: str) -> Iterator[None]:
        codes = self._codes.setdefault(test, set())
        root = self._root

        def note(frame: FrameType, event: str, argument: Any) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(root):
                codes.add(frame.f_code)

        before = sys.getprofile()
        sys.setprofile(note)
        threading.setprofile(note)
        try:
            yield
        finally:
            sys.setprofile(before)
            threading.setprofile(None)

    def digests(self) -> dict[str, str]:
        """One a test: of the code of all that it ran."""
        known: dict[CodeType, str] = {}
        return {test: _joined(sorted(_digest(code, known) for code in codes)) for test, codes in self._codes.items()}


def _joined(parts: list[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _digest(code: CodeType, known: dict[CodeType, str]) -> str:
    """Of what a function does: its instructions, names and constants, not the lines that they stand in."""
    if code not in known:
        constants = [_digest(one, known) if isinstance(one, CodeType) else _text(one) for one in code.co_consts]
        known[code] = _joined([code.co_name, code.co_code.hex(), repr(code.co_names), repr(code.co_varnames), *constants])
    return known[code]


def _text(constant: Any) -> str:
    """The same in every process: a set of texts has an order of its own in each."""
    return str(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)


def skeleton(text: str) -> str:
    """A digest of a module without the bodies of its functions: what its import sets up for all of them."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [ast.Pass()]
    return hashlib.blake2b(ast.dump(tree).encode(), digest_size=16).hexdigest()


def skeletons(files: list[str]) -> str:
    """One digest of several modules' skeletons, by path."""
    parts = []
    for file in sorted(set(files)):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            parts.append(f"{file} {skeleton(Path(file).read_text(encoding='utf-8'))}")
    return _joined(parts)
