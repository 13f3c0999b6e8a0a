"""Text that a candidate may have written, made fit to show: a report must never be able to speak for the harness.

Everything that reaches a terminal, a web page or a Markdown file passes through here first. Terminal escapes, control
characters and invisible direction marks are taken out; each format then escapes what has a meaning in its own language.
"""

import re
import unicodedata

from verifier.counting import counted

# CSI sequences, OSC and the other strings (ended by BEL or ST), and two-byte escapes: removed whole, or their remains stay readable.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])?")
_INVISIBLE = frozenset({"Cc", "Cf"})  # control characters, and formats such as right-to-left overrides
LONGEST_MESSAGE = 2_000  # characters: an exception's text may be megabytes
LONGEST_LINE = 500  # of what was printed


def plain(text: str) -> str:
    """The text without terminal escapes, control characters and invisible marks; line ends become newlines, tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text)
    text = re.sub("\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", text)
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\t":
        return character
    category = unicodedata.category(character)
    if category == "Cs":  # half a surrogate pair cannot be encoded
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category in _INVISIBLE else character


def one_line(text: str, limit: int = LONGEST_MESSAGE) -> str:
    """The plain text on one line, at most `limit` characters of it."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else f"{line[:limit]} … ({counted(len(line) - limit, 'more character')})"


def last_lines(text: str, count: int) -> list[str]:
    """The last `count` lines of what was printed, each cut where it is long; a first line tells what was left out."""
    lines = plain(text).expandtabs(4).rstrip("\n").split("\n")
    shown = [line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + " …" for line in lines[-count:]]
    left_out = len(lines) - len(shown)
    return [f"… ({counted(left_out, 'line')} before)", *shown] if left_out else shown
