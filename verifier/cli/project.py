"""The table `[tool.verifier]` of a project's pyproject.toml: what `verifier check` is asked where the command line does not say.

A project file belongs to whoever works in its folder. Who grades works among other people's files, so nothing is searched for there:
under an assignment or the profile `grading` a project file is read only where `--config` names it. A file that was found by searching
cannot ask for either, else it would decide for the folders below it.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.errors import RequestError

LISTS = ("candidates", "only", "fail-on", "format", "output", "limit")
WORDS = ("profile", "assignment", "baseline", "report-dir", "isolation")
KEYS = (*LISTS, *WORDS, "seed")
PATHS = ("assignment", "baseline", "report-dir")  # relative to the project, wherever the command is run
PARAMETERS = {"format": "formats", "limit": "limits", "output": "outputs"}  # whose names differ from the options'


@dataclass(frozen=True)
class Project:
    """What a project asks for.

    Attributes:
        candidates: paths that stand in the project are made relative to where the command runs.
        options: by the parameter's name, as click takes defaults.
        file: where all this stands; None where there is no such file.
    """

    candidates: tuple[str, ...]
    options: Mapping[str, Any]
    file: Path | None = None


NO_PROJECT = Project((), {})


def read_project(start: Path) -> Project:
    """The table of the nearest pyproject.toml at or above `start` that has one.

    Raises:
        RequestError: it has a key or a value that it may not have; the text names both.
    """
    found = _nearest(start)
    if found is None:
        return NO_PROJECT
    file, table = found
    if table.get("profile") == "grading" or "assignment" in table:
        said = "an assignment" if "assignment" in table else 'profile = "grading"'
        raise RequestError(f"{_from(start, file)}: a project file that was found by searching may not ask for {said}: say --config FILE")
    return _project(table, file, start)


def nearest_project(start: Path) -> Path | None:
    """The file that `read_project` would read, with whatever it says."""
    try:
        found = _nearest(start)
    except RequestError:  # it is not ours to understand
        return None
    return None if found is None else found[0]


def read_project_file(named: str, start: Path) -> Project:
    """The table of the file that `--config` names, whatever it asks for.

    Raises:
        RequestError: it cannot be read, has no such table, or has a key or a value that it may not have.
    """
    file = (start / named).absolute()
    table = _table(file)
    if table is None:
        raise RequestError(f"{named}: has no table [tool.verifier]")
    return _project(table, file, start)


def _nearest(start: Path) -> tuple[Path, Mapping[str, Any]] | None:
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        table = _table(file) if file.is_file() else None
        if table is not None:
            return file, table
    return None


def _table(file: Path) -> Mapping[str, Any] | None:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RequestError(f"{file}: {error}") from None
    tools = document.get("tool", {})
    table = tools.get("verifier") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise RequestError(f"{file}: tool.verifier is {table!r}; it must be a table")
    return table


def _project(table: Mapping[str, Any], file: Path, start: Path) -> Project:
    for key, value in table.items():
        _refuse(key, value, f"{file}, [tool.verifier]")
    options: dict[str, Any] = {}
    for key, value in table.items():
        if key == "candidates":
            continue
        if key in PATHS:
            value = _from(start, file.parent / value)
        elif key == "output":
            value = [
                f"{form}={_from(start, file.parent / path)}" if path else form for form, _, path in (one.partition("=") for one in value)
            ]
        options[PARAMETERS.get(key, key.replace("-", "_"))] = tuple(value) if key in LISTS else value
    # A module's or a plug-in's name is no path.
    candidates = tuple(
        _from(start, file.parent / path) if "/" in path or (file.parent / path).exists() else path for path in table.get("candidates", ())
    )
    return Project(candidates, options, file)


def _refuse(key: str, value: Any, place: str) -> None:
    if key not in KEYS:
        near = difflib.get_close_matches(key, KEYS, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise RequestError(f"{place}: key {key!r} is not known.{hint} Keys: {', '.join(KEYS)}.")
    if key in LISTS and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        raise RequestError(f"{place}: {key} is {value!r}; it must be a list of strings")
    if key in WORDS and not isinstance(value, str):
        raise RequestError(f"{place}: {key} is {value!r}; it must be a string")
    if key == "seed" and (isinstance(value, bool) or not isinstance(value, int)):
        raise RequestError(f"{place}: seed is {value!r}; it must be a whole number")


def _from(start: Path, path: Path) -> str:
    """The path as it is seen from where the command runs."""
    return os.path.relpath(path, start)
