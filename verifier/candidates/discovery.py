"""What the user named -> the candidates: a file, a folder, a folder of candidates, a plug-in or `package.module`.

A candidate is only ever read as text here, and never imported: it runs in a worker. docs/manifest.md has the rules.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verifier.candidates.assignment import Assignment
from verifier.candidates.folders import defines_entry, lies_within, module_file, search
from verifier.candidates.installed import InstalledModule, entry_point_names, find_entry_point, find_module, near_module
from verifier.candidates.manifest import (
    FILE_NAME,
    Settings,
    manifest_of_file,
    manifest_of_folder,
    read_settings,
)
from verifier.candidates.naming import plain_name, unique_names
from verifier.candidates.script_block import read_source
from verifier.contracts.catalogue import contract_ids, contract_of
from verifier.contracts.contract import Claims
from verifier.contracts.keys import did_you_mean, printable
from verifier.errors import ManifestError, RequestError
from verifier.notebook import SUFFIX as NOTEBOOK
from verifier.notebook import split_place

PYTHON = (".py", NOTEBOOK)


@dataclass(frozen=True)
class Candidate:
    """Code under verification: where it is, how it is called and what it claims.

    Attributes:
        name: unique in the run, of letters, digits, dots, underscores and hyphens; also the name of its report's folder.
        path: as the user named it (a file below a folder that was searched: the folder as named, and the way to the file).
        file: the Python file to load, absolute; None where `module` is imported instead.
        module: ``package.module`` to import: an installed one, or one in a package below `root`.
        root: folder on the worker's import path; None for a single file and for what is installed.
        readable: files and folders that the worker may read beyond the granted packages, absolute.
        entry: the function, or ``object.function``.
        manifest: the file that its manifest stands in, as messages name it; None where it has none.
        manifest_line: number of the line on which the manifest's table begins.
        path_name: what its name is where no manifest says one.
    """

    name: str
    path: str
    contract: str
    claims: Claims
    file: Path | None
    module: str | None
    root: Path | None
    readable: tuple[Path, ...]
    entry: str
    manifest: str | None = None
    manifest_line: int | None = None
    path_name: str = ""

    @property
    def own(self) -> tuple[Path, ...]:
        """The files and folders that it consists of."""
        return self.readable or ((self.file,) if self.file else ())

    def named(self, file: object) -> str:
        """A file of the candidate as the user named the candidate, else as it is."""
        if not isinstance(file, str):
            return self.path
        if self.file is not None and self.root is None and Path(split_place(file)[0]) == self.file:
            return self.path + file.removeprefix(split_place(file)[0])
        if self.root is not None and Path(file).is_relative_to(self.root):
            named = Path(self.path)
            return str((named.parent if named.suffix in PYTHON else named) / Path(file).relative_to(self.root))
        return file


def find_candidates(
    paths: Sequence[str], *, assignment: Assignment | None = None, preset: str | None = None
) -> tuple[list[Candidate], list[RequestError]]:
    """The candidates behind the paths, in order, each once, and an error for each that cannot be judged: the others still run.

    Args:
        paths: files, folders, names of plug-ins, or ``package.module``, as the user named them.
        assignment: fixes the claims; then a manifest that says more than name, module, entry and layout is an error, and names come from
            paths alone.
        preset: what a file without a manifest is judged by; else its names say whether it is a course's.
    """
    found: list[Candidate] = []
    errors: list[RequestError] = []
    adapter = None if preset is None else _adapter_of(preset)
    for path in paths:
        if adapter is not None:
            _adapted(os.fspath(path), adapter, found, errors)
            continue
        for place in _places(os.fspath(path), errors):
            try:
                found.append(_candidate_at(place, assignment, preset))
            except RequestError as error:
                errors.append(error)
            except Exception as error:  # whatever lies in one candidate's place, the others are still judged
                errors.append(_unreadable(place.shown, error))
    return _named(_distinct(found, errors), by_path=assignment is not None), errors


def _adapter_of(preset: str) -> Path | None:
    """Our file through which this preset judges a folder, if it is such a preset; every contract is imported to know."""
    return next((file for one in contract_ids() for name, file in contract_of(one).adapters.items() if name == preset), None)


def _adapted(path: str, adapter: Path, found: list[Candidate], errors: list[RequestError]) -> None:
    """A folder that is judged through a file of ours, which imports what lies there."""
    if not os.path.isdir(path):
        errors.append(RequestError(f"{printable(path)}: is not a folder. This preset is for the folder that holds the course's package."))
        return
    candidate = candidate_in_folder(path, Path(path), adapter, None)
    found.append(replace(candidate, readable=(*candidate.readable, adapter)))


def _unreadable(shown: str, error: Exception) -> RequestError:
    return RequestError(f"{printable(shown)}: cannot be read: {type(error).__name__}: {printable(str(error)[:200])}")


def candidate_at(shown: str, path: Path, assignment: Assignment | None) -> Candidate:
    """The candidate that a Python file is, or a folder with a manifest. Raises RequestError where its manifest is wrong."""
    return _candidate_at(_Place(shown, path), assignment)


def candidate_in_folder(shown: str, folder: Path, file: Path, assignment: Assignment | None) -> Candidate:
    """The candidate that a file of a folder without a manifest is; it may import and read what lies beside it."""
    settings = read_settings(manifest_of_file(file, os.path.join(shown, os.path.relpath(file, folder))), assignment)
    root = _absolute(folder)
    return _candidate(_Place(shown, folder), settings, root.name, file=_absolute(file), root=root, readable=root)


@dataclass(frozen=True)
class _Place:
    """Something that was found, before its manifest is read: a Python file, a folder with a manifest, or a module."""

    shown: str
    path: Path
    module: str | None = None
    attribute: str = ""
    installed: InstalledModule | None = None


def _places(path: str, errors: list[RequestError]) -> Iterator[_Place]:
    try:
        yield from _find(path, errors)
    except RequestError as error:
        errors.append(error)
    except Exception as error:
        errors.append(_unreadable(path, error))


def _find(path: str, errors: list[RequestError]) -> Iterator[_Place]:
    place = Path(path)
    if not path:
        raise RequestError("the path of a candidate is empty.")
    if not os.path.exists(path):
        yield _find_installed(path)
    elif place.is_dir():
        yield from _find_in_folder(path, errors)
    elif place.name == FILE_NAME:
        yield _Place(os.path.dirname(path) or ".", place.parent)
    elif place.suffix in PYTHON and place.is_file():
        yield _Place(path, place)
    else:
        raise RequestError(f"{printable(path)}: is neither a Python file (.py) nor a folder, nor a notebook (.ipynb).")


def _find_in_folder(path: str, errors: list[RequestError]) -> Iterator[_Place]:
    if (Path(path) / FILE_NAME).is_file():
        yield _Place(path, Path(path))
        return
    searched, found = 0, 0
    for file in search(Path(path), errors):
        shown = os.path.join(path, file.relative_to(path))
        searched += 1
        try:
            counts = file.is_dir() or _is_candidate(file, shown)
        except RequestError as error:
            errors.append(error)
            found += 1
            continue
        if counts:
            found += 1
            yield _Place(shown, file)
    if not found:
        raise RequestError(
            f"{printable(path)}: holds no candidate. {searched} Python files were searched; none has a [tool.verifier] table in a "
            f"script block or defines backprop or update at top level, and no folder has a {FILE_NAME}."
        )


def _is_candidate(file: Path, shown: str) -> bool:
    try:
        source = read_source(file, shown)
    except RequestError:
        if file.suffix == NOTEBOOK:  # somebody's notebook in another language, or an empty one
            return False
        raise
    return manifest_of_file(file, shown) is not None or defines_entry(source) or recognised(source) is not None


def _usual(source: str, preset: str | None) -> Mapping[str, Any] | None:
    """The manifest of a file that has none: by the preset that was chosen, or by its names."""
    if preset is None:
        return recognised(source)
    contract = next(contract for contract in contract_ids() if "preset" in contract_of(contract).keys)
    return {"contract": contract, "preset": preset}


def recognised(source: str) -> Mapping[str, Any] | None:
    """The manifest that a file without one is judged by, where a contract knows the names that it defines; None for the default's."""
    if defines_entry(source):
        return None
    for contract in contract_ids():
        keys = (contract_of(contract).recognised or (lambda _: None))(source)
        if keys is not None:
            return {"contract": contract, **keys}
    return None


def _find_installed(path: str) -> _Place:
    looks_like_file = os.path.basename(path) != path or path.endswith((*PYTHON, ".toml"))
    if not looks_like_file:
        point = find_entry_point(path)
        module, attribute = point or (path, "")
        installed = find_module(module) if all(part.isidentifier() for part in module.split(".")) else None
        if installed and (point or "." in path):
            return _Place(path, installed.file, module, attribute, installed)
        if point:
            raise RequestError(f'plug-in "{path}": its module {module} is not on the import path.')
    raise RequestError(_not_found(path, looks_like_file))


def _not_found(path: str, looks_like_file: bool) -> str:
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        return f"no such file or folder: {printable(path)}; there is no folder {printable(folder)}."
    beside = [os.path.join(folder, name) for name in _names_in(folder or ".") if not name.startswith(".")]
    if looks_like_file:
        return f"no such file or folder: {printable(path)}.{printable(did_you_mean(path, beside))}"
    near = near_module(path) or did_you_mean(path, [*entry_point_names(), *beside])
    kinds = "file, folder, plug-in or installed module" if "." in path else "file, folder or plug-in"
    return f"no such {kinds}: {printable(path)}.{printable(near)}"


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _candidate_at(place: _Place, assignment: Assignment | None, preset: str | None = None) -> Candidate:
    if place.installed:
        return _installed_candidate(place, place.installed, assignment)
    if place.path.is_dir():
        return _folder_candidate(place, assignment)
    document = manifest_of_file(place.path, place.shown)
    usual = None if document or assignment else _usual(read_source(place.path, place.shown), preset)
    settings = read_settings(document, assignment, usual=usual)
    if settings.module and settings.document:
        raise settings.document.error_at(
            settings.document.line_of("module"),
            f'manifest key "module" is for a folder with a {FILE_NAME}; a single file is its own module.',
        )
    default = place.path.stem if place.path.stem != "__init__" else Path(os.path.abspath(place.path)).parent.name
    return _candidate(place, settings, default, file=_absolute(place.path), readable=place.path)


def _folder_candidate(place: _Place, assignment: Assignment | None) -> Candidate:
    shown = os.path.join(place.shown, FILE_NAME)
    if not lies_within(place.path / FILE_NAME, place.path):
        raise ManifestError(f"{printable(shown)}: is a link out of its folder.")
    if not (place.path / FILE_NAME).is_file():  # a named pipe would keep this process waiting
        raise ManifestError(f"{printable(shown)}: is not a file.")
    settings = read_settings(manifest_of_folder(place.path, shown), assignment)
    file, module = module_file(place.path, settings)
    root = _absolute(place.path)
    return _candidate(place, settings, root.name, file=None if module else _absolute(file), module=module, root=root, readable=root)


def _installed_candidate(place: _Place, installed: InstalledModule, assignment: Assignment | None) -> Candidate:
    shown = f"{place.shown} ({installed.file})" if place.shown != place.module else str(installed.file)
    settings = read_settings(manifest_of_file(installed.file, shown) if installed.file.suffix == ".py" else None, assignment)
    settings = replace(settings, entry=place.attribute or settings.entry)
    return _candidate(
        place, settings, place.shown, module=place.module, root=installed.root, readable=installed.top if installed.root else None
    )


def _candidate(
    place: _Place,
    settings: Settings,
    default_name: str,
    *,
    readable: Path | None,
    file: Path | None = None,
    module: str | None = None,
    root: Path | None = None,
) -> Candidate:
    return Candidate(
        name=settings.name or plain_name(default_name),
        path=_displayable(place.shown),
        contract=settings.contract,
        claims=settings.claims,
        file=file,
        module=module,
        root=root,
        readable=(_absolute(readable),) if readable else (),
        entry=settings.entry,
        manifest=_displayable(settings.document.shown) if settings.document else None,
        manifest_line=(settings.document.line_of() or settings.document.first_line) if settings.document else None,
        path_name=plain_name(default_name),
    )


def _displayable(path: str) -> str:
    """The path as text that a report can hold: bytes that are no UTF-8 are written as escapes."""
    return path.encode("utf-8", "backslashreplace").decode()


def _absolute(path: Path) -> Path:
    """Absolute, links kept: a traceback then names the file as the user knows it."""
    return Path(os.path.abspath(path))


def _distinct(candidates: list[Candidate], errors: list[RequestError]) -> list[Candidate]:
    """Each candidate once, where a file and its folder were both named.

    Another name that leads to a candidate's files, by a link, adds to `errors`: it must neither pass by that work nor take its place.
    """
    alike: dict[object, list[Candidate]] = {}
    for candidate in candidates:
        real = [place and os.path.realpath(place) for place in (candidate.file, candidate.root)]
        alike.setdefault((*real, candidate.module, candidate.entry), []).append(candidate)
    owners = [min(group, key=lambda one: os.path.realpath(_place_of(one)) != _place_of(one)) for group in alike.values()]
    for owner, group in zip(owners, alike.values(), strict=True):
        for other in group:
            if _place_of(other) != _place_of(owner):
                errors.append(
                    RequestError(f"{printable(other.path)}: is a link to {printable(owner.path)}, which is judged under that name.")
                )
    return [candidate for candidate in candidates if any(candidate is owner for owner in owners)]


def _place_of(candidate: Candidate) -> str:
    """Where it lies as it was named, absolute."""
    return os.path.abspath(candidate.file or candidate.root or candidate.path)


def _named(candidates: list[Candidate], *, by_path: bool) -> list[Candidate]:
    """With unique names. What a manifest says gives way to the names that others have from their paths; or to its own, `by_path`."""
    taken = {candidate.path_name.casefold() for candidate in candidates if candidate.name == candidate.path_name}
    names = [one.path_name if by_path or one.name.casefold() in taken else one.name for one in candidates]
    folders = [Path(candidate.path).parts[:-1] for candidate in candidates]
    unique = unique_names(list(zip(names, folders, strict=True)))
    return [replace(candidate, name=name) for candidate, name in zip(candidates, unique, strict=True)]
