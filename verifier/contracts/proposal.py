"""Lines that somebody's own file could have, so that it is judged, and how the text of a file is searched for what it defines."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

CLASS = re.compile(r"^class[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Proposal:
    """Lines for a file: those that it could begin with, its manifest, and those that it could end with."""

    first: str
    last: str = ""


def classes_in(source: str) -> Iterator[tuple[str, str]]:
    """Each class at top level with the text up to the next."""
    starts = list(CLASS.finditer(source))
    ends = [*(match.start() for match in starts[1:]), len(source)]
    return ((match[1], source[match.end() : end]) for match, end in zip(starts, ends, strict=False))


def stored_in(tree: ast.AST) -> list[str]:
    """The attributes that are assigned in it."""
    return [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
