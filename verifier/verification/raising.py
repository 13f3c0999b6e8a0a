"""What a candidate raised, in one sentence, and what to do about it where it is the contract or the confinement that brought it about."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from verifier.candidates.discovery import Candidate
from verifier.candidates.outdated import advice_on_old_code

CELLS_NAMED = 12
BROADCAST = re.compile(r"broadcast together with shapes \((\d+),(\d+)\) \((\d+),(\d+)\)")
POSITIONAL = re.compile(r"takes .*positional argument.* were given|missing \d+ required positional")
Advice = Callable[[str, str], str]


def sentence_of(candidate: Candidate, raised: Mapping[str, Any]) -> str:
    """`student.py, line 14, in backprop: IndexError: list index out of range`, without the full stop."""
    line, function = raised.get("line"), raised.get("function")
    place = candidate.named(raised.get("file")) + (f", line {line}" if line else "")
    place += f", in {function}" if function and function != "<module>" else ""
    return f"{place}: {said(raised)}".rstrip(".")


def sentence_of_statement(candidate: Candidate, reply: Mapping[str, Any]) -> tuple[str, bool]:
    """What a statement of a manifest raised, and whether it was in the candidate's own code."""
    raised = reply["raised"]
    if raised.get("file") is not None:
        old = advice_on_old_code(str(raised.get("type")), str(raised.get("text")))
        return sentence_of(candidate, raised) + "." + (f" {old}" if old else ""), True
    place = f"the manifest's {reply.get('phase')}" + (f", line {reply['line']}" if reply.get("line", 0) > 1 else "")
    return f"{place}: {said(raised)}".rstrip(".") + ".", False


def said(raised: Mapping[str, Any]) -> str:
    """``IndexError: list index out of range``."""
    return f"{raised.get('type')}: {raised.get('text')}" if raised.get("text") else str(raised.get("type"))


def note_on_helpers(helpers: Mapping[str, str]) -> str:
    """What a report says of functions that share a name with an optional one; "" where there is none."""
    return f"Taken for helpers of its own, and not judged: {', '.join(helpers.values())} (docs/contract.md)." if helpers else ""


def note_on_cells(left_out: Sequence[int]) -> str:
    """What a report says of the cells of a notebook of which something did not run; "" where all ran."""
    if not left_out:
        return ""
    named = ", ".join(str(cell) for cell in left_out[:CELLS_NAMED]) + (", …" if len(left_out) > CELLS_NAMED else "")
    cells = "cell" if len(left_out) == 1 else "cells"
    return f"Only definitions of the notebook were run; what {cells} {named} would compute, plot or print at the top was left out."


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
    if kind == "ImportError" and "relative import" in text:
        return "A single file belongs to no package: write `from name import …`, and put both files into a folder with a verifier.toml."
    if kind == "ModuleNotFoundError" and alone:
        beside = "what lies beside the file is imported from a folder with a verifier.toml that holds both"
        return f"A single file can import what is installed beside the verifier; {beside}."
    if kind == "EOFError" and "line" in text:
        return 'Nobody answers `input()` here: put what it asks for into the code, or below `if __name__ == "__main__":`.'
    if kind in ("PermissionError", "FileNotFoundError", "OSError"):
        return _about_files(alone=alone)
    if kind in ("gaierror", "URLError", "ConnectionError"):
        return 'There is no network here: put what fetches data below `if __name__ == "__main__":`.'
    if kind == "ValueError":
        return _about_shapes(text)
    if kind == "IndexError" and "used as indices must be of integer" in text:
        return "Targets have the shape of the outputs, one column per class (one-hot); `y.argmax(axis=1)` gives their indices."
    if kind == "TypeError" and POSITIONAL.search(text):
        return "Weights and biases are passed as arguments: a network that keeps its own must first be given these."
    return ""


def _about_files(*, alone: bool) -> str:
    seen = "A file is judged where it sees nothing but itself" if alone else "The working folder is empty where a candidate is judged"
    goes = "goes with it into a folder with a verifier.toml, and " if alone else ""
    train = 'put what reads data for training below `if __name__ == "__main__":`'
    return f'{seen}: {train}; a file that the network needs {goes}is opened beside the code: `Path(__file__).parent / "…"`.'


def _about_shapes(text: str) -> str:
    """Beside NumPy's words on shapes that do not go together."""
    shapes = BROADCAST.search(text)
    if shapes and shapes[2] == shapes[3]:
        return "These two can be multiplied as matrices: if that is meant, write `@`; `*` is element by element."
    if "inhomogeneous" in text:
        return "Arrays of unlike shapes, as those of several layers are, do not fit into one np.array: keep them in a list."
    return ""
