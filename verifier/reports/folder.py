"""A candidate's report folder: `report.json` always, what else was asked for, and the counterexample beside them."""

import contextlib
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import msgspec

from verifier.reports.formats import FORMATS
from verifier.results.report import COUNTEREXAMPLE_FILE, CandidateRecord, Report, to_json


def report_folder(directory: Path, name: str) -> Path:
    """Where the reports of the candidate of that name stand; whatever the name is, it is a folder inside `directory`."""
    safe = "".join(sign if sign in "._-" or unicodedata.category(sign)[0] in "LMN" else "_" for sign in name)
    return directory / (safe if safe.strip(".") else "candidate")


class _Owner(msgspec.Struct):
    """Whose report a file is."""

    candidate: CandidateRecord


def path_of_report(folder: Path) -> str | None:
    """The path of the candidate whose report the folder holds; None where it holds none that can be read."""
    try:
        return msgspec.json.decode((folder / "report.json").read_bytes(), type=_Owner).candidate.path
    except (OSError, msgspec.MsgspecError):
        return None


def write_folder(report: Report, counterexample: bytes | None, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the report in these formats, and remove what an earlier run left in others; the written files, `report.json` last.

    Each file appears whole or not at all.

    Raises:
        OSError: the folder cannot be made or written.
    """
    if folder.is_symlink():
        folder.unlink()  # else whoever can put a link there has this report take another's place, or files outside removed
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    contents: dict[str, bytes] = {}
    if counterexample is not None and report.counterexample is not None and report.counterexample.file:
        contents[Path(report.counterexample.file).name] = counterexample
    for name in formats:
        contents[FORMATS[name].file] = FORMATS[name].write(report).encode(errors="replace")
    # Last, so that whoever waits for report.json finds the others there.
    contents.pop("report.json", None)
    contents["report.json"] = to_json(report)
    for stale in {format.file for format in FORMATS.values()} | {COUNTEREXAMPLE_FILE}:
        if stale not in contents:
            (folder / stale).unlink(missing_ok=True)
    for name, content in contents.items():
        _write_whole(folder / name, content)
    return [folder / name for name in contents]


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else a name can outlive its content when the power goes
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _remove_leftovers(folder: Path) -> None:
    """What a run that was killed had begun to write."""
    for left in folder.glob(".*"):
        written_by = re.fullmatch(r"\..+\.([0-9]{1,9})", left.name)
        if written_by is not None:
            with contextlib.suppress(OSError):
                os.kill(int(written_by[1]), 0)
                continue
            left.unlink(missing_ok=True)
