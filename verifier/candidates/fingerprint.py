"""Whether two candidates are the same code: a digest of a file's tokens, without comments, docstrings, layout and the names it chooses.

A name that the file defines (a function, a parameter, a variable) counts as the first, second, … such name; what it imports, attributes,
builtins, numbers and strings count as they are. Two equal digests are a fact about the text, no more: a short textbook solution is written
twice without being copied.
"""

import builtins
import hashlib
import io
import keyword
import tokenize
from collections.abc import Iterator

LARGEST = 512 * 1024  # characters; a longer file has no fingerprint
SHOWN_DIGITS = 16
LAYOUT = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})


def fingerprint(source: str) -> str:
    """The digest of a Python file's text, in hexadecimal digits; "" where it is too long, empty, or no Python."""
    if len(source) > LARGEST:
        return ""
    try:
        words = list(_words(source))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return ""
    return hashlib.sha256("\0".join(words).encode(errors="replace")).hexdigest()[:SHOWN_DIGITS] if words else ""


def _words(source: str) -> Iterator[str]:
    numbered: dict[str, str] = {}
    imported: set[str] = set()
    before, importing, begins = "", False, True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in LAYOUT:
            if token.type in (tokenize.INDENT, tokenize.DEDENT):
                yield "block" if token.type == tokenize.INDENT else "end"
            continue
        if token.type == tokenize.NEWLINE:
            if before:
                yield "line"
            before, importing, begins = "", False, True
            continue
        if begins and token.type == tokenize.STRING:  # a docstring
            continue
        if begins:
            importing = token.string in ("import", "from")
        begins = False
        if token.type == tokenize.NAME and importing:
            imported.add(token.string)
        own = token.type == tokenize.NAME and not importing and before != "." and _is_chosen(token.string, imported)
        yield numbered.setdefault(token.string, f"name {len(numbered)}") if own else token.string
        before = token.string


def _is_chosen(name: str, imported: set[str]) -> bool:
    return not (keyword.iskeyword(name) or name in imported or hasattr(builtins, name))
