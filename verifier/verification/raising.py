"""What a candidate raised, in one sentence, and what to do about it where it is the contract or the confinement that brought it about."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from verifier.candidates.discovery import Candidate

CELLS_NAMED = 12
Advice = Callable[[str, str], str]


def sentence_of(candidate: Candidate, raised: Mapping[str, Any]) -> str:
    """`student.py, line 14, in backprop: IndexError: list index out of range`, without the full stop."""
    line, function = raised.get("line"), raised.get("function")
    place = candidate.named(raised.get("file")) + (f", line {line}" if line else "")
    place += f", in {function}" if function and function != "<module>" else ""
    return f"{place}: {_said(raised)}".rstrip(".")


def sentence_of_statement(candidate: Candidate, reply: Mapping[str, Any]) -> tuple[str, bool]:
    """What a statement of a manifest raised, and whether it was in the candidate's own code."""
    raised = reply["raised"]
    if raised.get("file") is not None:
        return sentence_of(candidate, raised) + ".", True
    place = f"the manifest's {reply.get('phase')}" + (f", line {reply['line']}" if reply.get("line", 0) > 1 else "")
    return f"{place}: {_said(raised)}".rstrip(".") + ".", False


def _said(raised: Mapping[str, Any]) -> str:
    return f"{raised.get('type')}: {raised.get('text')}" if raised.get("text") else str(raised.get("type"))


def note_on_cells(left_out: Sequence[int]) -> str:
    """What a report says of the cells of a notebook of which something did not run; "" where all ran."""
    if not left_out:
        return ""
    named = ", ".join(str(cell) for cell in left_out[:CELLS_NAMED]) + (", …" if len(left_out) > CELLS_NAMED else "")
    cells = "cell" if len(left_out) == 1 else "cells"
    return f"Of the notebook ran what defines; what {cells} {named} would compute, plot or print at the top was left out."


def advise(kind: str, text: str, *, alone: bool, notebook: bool, forbidden: Collection[str], of_contract: Advice) -> str:
    """What to do about an exception; "" where the code is at fault.

    Args:
        kind, text: the exception's type and its words.
        alone: whether the candidate is a single file.
        notebook: whether it is a notebook of which something did not run.
        forbidden: packages that may not be imported.
    """
    if kind in ("PermissionError", "ModuleNotFoundError", "ImportError"):
        words = re.split(r"[^\w-]+", text)
        package = next((package for package in forbidden if package in words), None)
        if package:
            return f"The package {package} may not be imported here."
    by_contract = of_contract(kind, text)
    if by_contract:
        return by_contract
    if kind == "ModuleNotFoundError" and alone:
        return "A single file can import what is installed beside the verifier, and nothing from its own folder."
    if kind == "NameError" and notebook:
        return "Cells that train, plot or read a file at the top were left out: give the function what it needs, or set it in a cell."
    if kind == "EOFError" and "line" in text:
        return "Nobody answers `input()` here: put what it asks for into the code."
    if kind == "PermissionError" and alone:
        return "A single file may read nothing but itself: put both into a folder with a verifier.toml."
    if kind in ("gaierror", "URLError", "ConnectionError"):
        return "There is no network here."
    return ""
