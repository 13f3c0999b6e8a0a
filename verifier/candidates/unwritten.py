"""Whether what a candidate raised comes of a gap that its course left open: `raise NotImplemented`, or a name to which only None is given.

The function is read as text, by its indentation: to parse a whole file that somebody made against the parser can end the process.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from verifier.candidates.discovery import Candidate
from verifier.candidates.source_lines import lines_of

LONGEST = 2000  # lines above the one that raised in which its `def` is looked for
NOT_AN_EXCEPTION = re.compile(r"raise\s+NotImplemented\b")
OF_NONE = re.compile(r"\s*(?P<names>[\w.]+(?:\s*[,=]\s*[\w.]+)*)\s*=\s*\(?None(?:\s*,\s*None)*\)?\s*(?:#.*)?$")
NAME = re.compile(r"(?<![\w.])[^\W\d][\w.]*")


def is_unwritten(candidate: Candidate, raised: Mapping[str, Any]) -> bool:
    """Whether this exception says that a function is still as the course gave it out.

    So it is where a line computes with a name to which its function has given None above and nothing else (``out = None``, then
    ``out.astype(…)``), or raises `NotImplemented`, which is no exception.
    """
    kind, text, file, line = (raised.get(key) for key in ("type", "text", "file", "line"))
    if kind not in ("TypeError", "AttributeError") or not isinstance(file, str) or not isinstance(line, int):
        return False
    lines = lines_of(candidate, file)
    if not 1 <= line <= len(lines):
        return False
    if NOT_AN_EXCEPTION.match(lines[line - 1].strip()):
        return True
    return "NoneType" in str(text) and _only_none(lines[line - 1], list(_above(lines, line - 1)))


def _above(lines: Sequence[str], line: int) -> Iterator[str]:
    """The lines above one (from 0) as far as the function in whose body it stands reaches, the nearest first."""
    inside = _indentation(lines[line])
    for above in lines[max(line - LONGEST, 0) : line][::-1]:
        yield above
        if above.lstrip().startswith("def ") and _indentation(above) < inside:
            return


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _only_none(used: str, above: Sequence[str]) -> bool:
    """Whether a line uses names to which the lines above give None, and none of them anything else."""
    given: set[str] = set()
    rest = []
    for line in above:
        none = OF_NONE.match(line)
        if none:
            given |= {name.strip() for name in re.split("[,=]", none["names"])}
        else:
            rest.append(line.partition("#")[0])
    of_none = {one for one in given for name in NAME.findall(used) if f"{name}.".startswith(f"{one}.")}  # `self.M.shape` is of `self.M`
    return bool(of_none) and not any(_is_given(one, rest) for one in of_none)


def _is_given(name: str, lines: Sequence[str]) -> bool:
    """Whether one of these lines could give the name something: an assignment to it or its elements, a loop over it, `with … as`."""
    word = rf"(?<![\w.]){re.escape(name)}(?!\w)"
    gives = re.compile(rf"{word}[^=]*(?<![=!<>])=(?!=)|\bfor\b[^:]*{word}.*\bin\b|\bas\s+{word}|{word}\s*:=")
    return any(gives.search(line) for line in lines)
