"""Names for the candidates of a run: each is a folder of the report, so each is a plain word and no two are the same.

Names that differ in case only count as the same, since some file systems keep them in one folder. Where some are the same, each is
extended on its left by the folders that it lies in, joined by dots, as far as needed: ``s1.backprop``, ``s2.backprop``. A path that
has no more folders keeps the short name: ``columns``, ``other.columns``. What is the same even then is numbered: ``net``, ``net-2``.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from verifier.notebook import SUFFIX as NOTEBOOK

LONGEST_NAME = 200  # characters; file systems take 255 bytes


def plain_name(text: str) -> str:
    """The text as a name: letters, marks and digits of every script stay, dots, underscores and hyphens too; other signs become hyphens."""
    return submission_name(text, whole=True)


def submission_name(file_name: str, *, whole: bool = False) -> str:
    """The name of a submission, from that of its file or folder: letters, marks and digits of every script stay.

    The suffix of a Python file or a notebook goes, unless the `whole` name is asked for.
    """
    stem = file_name if whole or PurePath(file_name).suffix not in (".py", NOTEBOOK) else PurePath(file_name).stem
    kept = (sign if sign in "._-" or unicodedata.category(sign)[0] in "LMN" else "-" for sign in unicodedata.normalize("NFC", stem))
    name = re.sub("-{2,}", "-", "".join(kept)).strip(".-")
    return name.encode()[:LONGEST_NAME].decode(errors="ignore") or "candidate"


def unique_names(candidates: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """A name for each of (its own name, the folders it lies in, outermost first), in order, no two the same."""
    folders = [[plain_name(folder) for folder in own if folder.strip("./\\")] for _, own in candidates]
    used = [0] * len(candidates)
    while True:
        names = [_joined(own[len(own) - count :], name) for (name, _), own, count in zip(candidates, folders, used, strict=True)]
        times = Counter(name.casefold() for name in names)
        short = [index for index, name in enumerate(names) if times[name.casefold()] > 1 and used[index] < len(folders[index])]
        if not short:
            return _numbered(names)
        for index in short:
            used[index] += 1


def _joined(folders: Sequence[str], name: str) -> str:
    return ".".join([*folders, name]).encode()[-LONGEST_NAME:].decode(errors="ignore")


def _numbered(names: Sequence[str]) -> list[str]:
    taken = {name.casefold() for name in names}
    seen: set[str] = set()
    unique = []
    for name in names:
        if name.casefold() in seen:
            name = next(other for number in range(2, len(names) + 2) if (other := f"{name}-{number}").casefold() not in taken)
            taken.add(name.casefold())
        seen.add(name.casefold())
        unique.append(name)
    return unique
