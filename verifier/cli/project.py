"""The table `[tool.verifier]` of a project's pyproject.toml: what `verifier check` is asked where the command line does not say."""

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


@dataclass(frozen=True)
class Project:
    """What a project asks for.

    Attributes:
        candidates: paths that stand in the project are made relative to where the command runs.
        options: by the parameter's name, as click takes defaults.
    """

    candidates: tuple[str, ...]
    options: Mapping[str, Any]


NO_PROJECT = Project((), {})


def read_project(start: Path) -> Project:
    """The table of the nearest pyproject.toml at or above `start` that has one.

    Raises:
        RequestError: it has a key or a value that it may not have; the text names both.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        table = _table(file) if file.is_file() else None
        if table is not None:
            return _project(table, file, start)
    return NO_PROJECT


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
        name = {"format": "formats", "limit": "limits", "output": "outputs"}.get(key, key.replace("-", "_"))
        options[name] = tuple(value) if key in LISTS else value
    # A module's or a plug-in's name is no path.
    candidates = tuple(
        _from(start, file.parent / path) if "/" in path or (file.parent / path).exists() else path for path in table.get("candidates", ())
    )
    return Project(candidates, options)


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
