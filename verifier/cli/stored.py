"""Reports on disk: read back, and texts written whole or not at all."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from verifier.errors import RequestError
from verifier.results.report import SCHEMA_VERSION, Report


def read_reports(path: Path) -> list[Report]:
    """The report in a file or in a candidate's folder, or all of a folder of such folders, by name.

    Raises:
        RequestError: there is none, or one is not of this version.
    """
    if path.is_dir() and not (path / "report.json").exists():
        found = sorted(path.glob("*/report.json"))
        if not found:
            raise RequestError(f"no report.json in {path} or in a folder of it")
        return [read_report(file) for file in found]
    return [read_report(path)]


def report_folders(path: Path) -> list[Path]:
    """The report folders in a folder of them; none where it is a report itself."""
    return [file.parent for file in sorted(path.glob("*/report.json"))] if path.is_dir() and not (path / "report.json").exists() else []


class StoredReports(Sequence[Report]):
    """Reports that are read from their files when somebody asks for one: a class of a thousand does not fit in memory."""

    def __init__(self, places: Sequence[Path | Report]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Report: ...

    @overload
    def __getitem__(self, index: slice) -> "StoredReports": ...

    def __getitem__(self, index: int | slice) -> "Report | StoredReports":
        if isinstance(index, slice):
            return StoredReports(self._places[index])
        place = self._places[index]
        return read_report(place) if isinstance(place, Path) else place


def read_report(path: Path) -> Report:
    """The report in a file, or in the folder of that path.

    Raises:
        RequestError: there is none, or it is not one of this version.
    """
    import msgspec

    from verifier.results.report import from_json

    if path.is_dir():
        path = path / "report.json"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RequestError(f"no such report: {path}") from None
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from None
    try:
        version = msgspec.json.decode(data)["schema_version"]
        if version != SCHEMA_VERSION:
            raise RequestError(f"{path} has schema version {version}; this version reads {SCHEMA_VERSION}")
        return from_json(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as error:
        why = "it has no schema_version" if isinstance(error, (KeyError, TypeError)) else error
        raise RequestError(f"{path} is not a report.json of this version: {why}") from None


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole; what stands in its place stays until then.

    Raises:
        OSError: it cannot be written.
    """
    data = text.encode(errors="replace")
    if path.exists() and not path.is_file():  # a pipe or a device takes the bytes as they are
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
