"""Where an installed module is, found by reading folders only.

`importlib.util.find_spec("a.b")` would import `a`, and so run foreign code in this process. Here the folders of `sys.path` are walked as
the import system would walk them. Entry points are read as text, `module:attribute`, and never loaded.
"""

import os
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import machinery
from pathlib import Path

from verifier.contracts.keys import did_you_mean
from verifier.errors import RequestError

GROUP = "verifier.candidates"


@dataclass(frozen=True)
class InstalledModule:
    """A module and where it lies.

    Attributes:
        file: its file, which need not be Python text.
        root: the folder on the import path that it was found in; None for those that every worker has (installed packages).
        top: its top-level package's folder, or the file of a module without package.
    """

    file: Path
    root: Path | None
    top: Path


def find_module(name: str, search: Sequence[str] | None = None) -> InstalledModule | None:
    """The module `package.module`, or None where there is none.

    Args:
        search: folders to look in; by default the working folder and `sys.path`.
    """
    parts = name.split(".")
    for entry in _search_path(search):
        file = _file_of(entry, parts)
        if file:
            return InstalledModule(file, None if _is_standard(entry) else entry, _top_of(entry, parts[0]))
    return None


def find_entry_point(name: str) -> tuple[str, str] | None:
    """(module, attribute) of the plug-in with this name, the attribute empty where it has none; None where there is no such plug-in.

    Raises:
        RequestError: two distributions install different plug-ins under the name, or it is not written as `module:attribute`.
    """
    values = sorted({value for known, value in _entry_points() if known == name})
    if not values:
        return None
    if len(values) > 1:
        raise RequestError(f'plug-in "{name}" ({GROUP}) is installed twice, as {" and as ".join(values)}.')
    module, _, attribute = values[0].partition("[")[0].replace(" ", "").partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *(attribute.split(".") if attribute else [])]):
        raise RequestError(f'plug-in "{name}" ({GROUP}) is "{values[0]}", which is not of the form module:attribute.')
    return module, attribute


def entry_point_names() -> list[str]:
    """Names of the installed plug-ins, sorted."""
    return sorted({name for name, _ in _entry_points()})


def _entry_points() -> list[tuple[str, str]]:
    from importlib import metadata  # takes longer than all else here, and a file or folder needs none of it

    return [(point.name, point.value) for point in metadata.entry_points(group=GROUP)]


def near_module(name: str) -> str:
    """`` Did you mean "package.module"?`` where a module beside the one named is meant, else nothing."""
    *package, last = name.split(".")
    parent = find_module(".".join(package)) if package else None
    if parent is None or parent.file.name != "__init__.py":
        return ""
    beside = [path.stem for path in sorted(parent.file.parent.iterdir()) if path.suffix == ".py" or path.is_dir()]
    return did_you_mean(last, beside).replace('"', f'"{".".join(package)}.', 1)


def _search_path(search: Sequence[str] | None) -> list[Path]:
    entries = [os.getcwd(), *sys.path] if search is None else search
    return [Path(entry) for entry in dict.fromkeys(entries) if entry and os.path.isdir(entry)]


def _file_of(folder: Path, parts: Sequence[str]) -> Path | None:
    """The file of the module below the folder; a folder without `__init__.py` is passed through, but is no module."""
    first, rest = parts[0], parts[1:]
    package = folder / first
    if rest:
        return _file_of(package, rest) if package.is_dir() else None
    files = [package / "__init__.py", *(folder / (first + suffix) for suffix in machinery.all_suffixes())]
    return next((file for file in files if file.is_file()), None)


def _top_of(entry: Path, first: str) -> Path:
    package = entry / first
    return package if package.is_dir() else next(path for path in sorted(entry.glob(f"{first}.*")) if path.is_file())


def _is_standard(entry: Path) -> bool:
    """Whether the folder is on every worker's import path: the standard library and the installed packages."""
    standard = {os.path.realpath(path) for path in sysconfig.get_paths().values()}
    return os.path.realpath(entry) in standard or "dist-packages" in entry.parts
