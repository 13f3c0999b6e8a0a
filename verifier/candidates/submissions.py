"""Under an assignment: what stands at the top of a submissions folder, each a row: a candidate, or the reason why it is none.

Nobody vanishes: an archive, an empty folder or a link is a row as well. Only hidden files and folders, `__pycache__`, and
what belongs to whoever judges (the assignment, the reports, the grades) are left out. Names come from paths, never from a manifest: a
submission must not take another's name.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.candidates.assignment import Assignment
from verifier.candidates.discovery import PYTHON, Candidate, candidate_at, candidate_in_folder, find_candidates
from verifier.candidates.folders import ENTRIES, defined_names, search, sources_of
from verifier.candidates.manifest import FILE_NAME
from verifier.candidates.naming import submission_name, unique_names
from verifier.contracts.catalogue import contract_of
from verifier.contracts.keys import printable
from verifier.errors import RequestError

ARCHIVES = (".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar")
NAMES_SHOWN = 8
OURS = "__pycache__"


@dataclass(frozen=True)
class Unjudged:
    """A submission that is no candidate: its name and path as of a candidate, and one sentence that says why."""

    name: str
    path: str
    why: str


Row = Candidate | Unjudged


def find_submissions(paths: Sequence[str], assignment: Assignment, apart: Collection[str] = ()) -> list[Row]:
    """A row for each submission behind the paths, in order, with names that are unique in the run.

    A folder without a manifest holds submissions: each file and folder in it is one. Everything else is a submission itself.

    Args:
        apart: files and folders that are no submissions wherever they lie, such as the reports of the run.
    Raises:
        RequestError: a path does not exist, or a folder holds nothing.
    """
    left_out = {os.path.realpath(path) for path in (*apart, assignment.path, *map(str, assignment.references))}
    rows: list[Row] = []
    for path in paths:
        place = Path(path)
        if place.is_dir() and not (place / FILE_NAME).is_file():
            found = [_at_top(os.path.join(path, name), assignment) for name in _names_at_top(path, left_out)]
            if not found:
                raise RequestError(f"{printable(path)}: holds no submission")
            rows += found
        else:
            rows.append(_stated(path, assignment))
    return _named(_distinct(rows))


def _names_at_top(folder: str, left_out: Collection[str]) -> list[str]:
    try:
        names = sorted(os.listdir(folder), key=lambda name: (name.casefold(), name))
    except OSError as error:
        raise RequestError(f"{printable(folder)}: cannot be read: {error.strerror}") from None
    seen = (name for name in names if not name.startswith(".") and name != OURS)
    return [name for name in seen if os.path.realpath(os.path.join(folder, name)) not in left_out]


def _stated(path: str, assignment: Assignment) -> Row:
    """What was named itself: a file, a folder with a manifest, a module. That it does not exist is the request's fault."""
    place = Path(path)
    if place.exists():
        return _at_top(path, assignment, linked=True)
    found, errors = find_candidates([path], assignment=assignment)
    if errors:
        raise errors[0]
    return found[0]


def _at_top(path: str, assignment: Assignment, *, linked: bool = False) -> Row:
    """The row of one file or folder. `linked`: a link is followed, since whoever judges named it."""
    place = Path(path)
    name = submission_name(place.name or place.resolve().name)
    try:
        if place.is_symlink() and not linked:
            return Unjudged(name, path, "it is a link, and a submission must not borrow another's files")
        if place.is_dir():
            return _folder(path, place, name, assignment)
        if not place.is_file():
            return Unjudged(name, path, "it is neither a file nor a folder")
        why = _not_python(place)
        return Unjudged(name, path, why) if why else replace(candidate_at(path, place, assignment), name=name)
    except RequestError as error:
        return Unjudged(name, path, _without_path(str(error), path))
    except (OSError, ValueError, RecursionError) as error:
        return Unjudged(name, path, f"it cannot be read ({getattr(error, 'strerror', None) or error})")


def _not_python(file: Path) -> str:
    """Why a file is no Python file; "" where it is one."""
    if file.suffix in PYTHON:
        return ""
    if file.suffix.lower() in ARCHIVES:
        return "not Python: an archive; unpack it into a folder"
    return f"not Python: its name ends with {printable(file.suffix)}" if file.suffix else "not Python: its name has no .py"


def _folder(path: str, folder: Path, name: str, assignment: Assignment) -> Row:
    if (folder / FILE_NAME).is_file():
        return replace(candidate_at(path, folder, assignment), name=name)
    errors: list[RequestError] = []
    files = [file for file in search(folder, errors) if file.is_file()]
    if errors:
        raise errors[0]
    if not files:
        return Unjudged(name, path, _nothing_in(folder))
    defined = {file: list(defined_names(source)) for file, source in sources_of(files, path)}
    what, defining = _defining(defined, assignment)
    holders = [file for file in defining if file.suffix == ".py"] or defining  # a file and the notebook that it was tried in
    if len(holders) > 1:
        both = ", ".join(printable(str(file.relative_to(folder))) for file in holders[:NAMES_SHOWN])
        return Unjudged(name, path, f"{len(holders)} files define {what}: {both}; leave only one")
    if not holders and len(files) > 1:
        nothing = f"no function {what}" if what[0] == "`" else f"none of its files defines {what}"
        return Unjudged(name, path, f"{nothing}; {_found_instead(folder, defined)}")
    file = (holders or files)[0]
    return replace(candidate_in_folder(path, folder, file, assignment), name=name)


def _defining(defined: Mapping[Path, list[str]], assignment: Assignment) -> tuple[str, list[Path]]:
    """What the assignment asks for, in words, and the files that define it; of layers those that define most of them."""
    contract = contract_of(assignment.contract)
    if contract.asks_for is not None and assignment.entry is None:
        asked = set(contract.asks_for(contract.claims_from(assignment.claims)))
        count = {file: len(asked & set(names)) for file, names in defined.items()}
        return "what the assignment asks for", [file for file in count if count[file] == max(count.values()) > 0]
    entry = assignment.entry or contract.entry
    wanted = {entry.partition(".")[0], *(ENTRIES if entry in ENTRIES else ())}
    return f"`{entry}`", [file for file, names in defined.items() if wanted & set(names)]


def _nothing_in(folder: Path) -> str:
    there = sorted(one.name for one in folder.iterdir() if not one.name.startswith(".") and one.name != OURS)
    if not there:
        return "an empty folder"
    reasons = [_not_python(folder / one) for one in there if (folder / one).is_file()]
    if len(there) == 1 and reasons:
        return f"{reasons[0]} ({printable(there[0])})"
    more = ", …" if len(there) > NAMES_SHOWN else ""
    return f"not Python: it holds {', '.join(printable(one) for one in there[:NAMES_SHOWN])}{more}"


def _found_instead(folder: Path, defined: dict[Path, list[str]]) -> str:
    said = [
        f"{printable(str(file.relative_to(folder)))} has {', '.join(dict.fromkeys(names[:NAMES_SHOWN]))}"
        for file, names in defined.items()
        if names
    ]
    return "; ".join(said[:NAMES_SHOWN]) or "its files define nothing"


def _without_path(message: str, path: str) -> str:
    """The sentence without the path that its row shows already."""
    text = message.removeprefix(f"{printable(path)}: ").removeprefix(f"{printable(path)}, ")
    return text.rstrip(".")


def _distinct(rows: list[Row]) -> list[Row]:
    """Each once, where a folder and a file in it were both named."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(os.path.realpath(row.path), row)
    return list(first.values())


def _named(rows: list[Row]) -> list[Row]:
    """With unique names: where a file and a folder share one, by the whole name of the file, then by the folders they lie in."""
    taken: dict[str, int] = {}
    for row in rows:
        taken[row.name.casefold()] = taken.get(row.name.casefold(), 0) + 1
    own = [row.name if taken[row.name.casefold()] == 1 else submission_name(Path(row.path).name, whole=True) for row in rows]
    names = unique_names([(name, Path(row.path).parts[:-1]) for name, row in zip(own, rows, strict=True)])
    return [replace(row, name=name) for row, name in zip(rows, names, strict=True)]
