"""The journal of a run: what was found reaches the disk at once, so that whoever is killed loses no candidate that was judged.

A journal is a file that only grows, one record a line, each signed with the user's key: first what is asked and the seed, then, for every
candidate, the outcome of each check as it is found and at last its report. A report is on the disk (fsync) before anybody sees it.
What a torn write leaves behind the last whole line is ignored, and cut off before the next is added; so is what somebody else wrote into a
journal, or moved from another one. A run that ends as it should removes its journal.

`--resume` takes the finished reports from the journal and judges the others with the same seed. A candidate that was under way is judged
again, from its start: code that keeps something between calls would else answer differently, and the report could not be the same.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from verifier.candidates.discovery import Candidate
from verifier.candidates.own_files import digest_of
from verifier.errors import RequestError
from verifier.results.outcome import Outcome
from verifier.results.report import Report
from verifier.verification.record import Judged, environment
from verifier.verification.signing import sign, verifies

FOLDER = ".journal"
FORMAT = 2
Record = dict[str, Any]


class Journal:
    """One run's journal, open for adding.

    Attributes:
        trouble: why nothing more is kept, where the disk took no more.
        complete: whether every report was written, so that the journal can go.
    """

    def __init__(self, path: Path, descriptor: int, records: list[Record]) -> None:
        self.trouble: str | None = None
        self.complete = False
        self._path, self._descriptor = path, descriptor
        self._header = records[0] if records else {}
        self._finished = {record["candidate"]: record for record in records if record["kind"] == "report"}

    @property
    def seed(self) -> int | None:
        """The seed of the run that is resumed; None in a new one."""
        seed = self._header.get("seed")
        return seed if isinstance(seed, int) else None

    def begin(self, seed: int) -> None:
        """Write down the seed of a new run."""
        if not self._header:
            self._add({"kind": "run", "format": FORMAT, "seed": seed, "environment": environment()}, keep=True)

    def finished(self, candidate: Candidate) -> Judged | None:
        """The report that the interrupted run wrote about this candidate, whose files are still the same."""
        record = self._finished.get(candidate.name)
        if record is None or record["digest"] != digest_of(candidate.own):
            return None
        stored = record["counterexample"]
        report = msgspec.msgpack.decode(base64.b64decode(record["report"]), type=Report)
        return Judged(report, None if stored is None else base64.b64decode(stored))

    def found(self, candidate: Candidate, outcome: Outcome) -> None:
        """Add the outcome of one check, before the witnesses are weighed."""
        self._add({"kind": "outcome", "candidate": candidate.name, "outcome": msgspec.to_builtins(outcome)})

    def add(self, candidate: Candidate, judged: Judged) -> None:
        """Add a finished report, and wait until the disk has it."""
        record = {
            "kind": "report",
            "candidate": candidate.name,
            "digest": digest_of(candidate.own),
            # Not as JSON: an infinity in a report is shown as one, and JSON has none.
            "report": base64.b64encode(msgspec.msgpack.encode(judged.report)).decode(),
            "counterexample": None if judged.counterexample is None else base64.b64encode(judged.counterexample).decode(),
        }
        self._add(record, keep=True)

    def close(self) -> None:
        """Let go of the journal; a run that is `complete` has no more use for it."""
        with contextlib.suppress(OSError):
            if self.complete:
                self._path.unlink()
                self._path.parent.rmdir()
        os.close(self._descriptor)

    def _add(self, record: Record, *, keep: bool = False) -> None:
        if self.trouble is not None:
            return
        end = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            _write_whole(self._descriptor, _line(record, self._path.name))
            if keep:
                os.fsync(self._descriptor)
        except OSError as error:
            self.trouble = error.strerror or str(error)
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, end)  # half a line would hide all that came after it


def open_journal(directory: Path, asked: Mapping[str, Any], *, resume: bool) -> Journal:
    """The journal of a run that asks this, in a folder of `directory`; the one that is there where the run is to be resumed.

    Args:
        asked: all that decides the run but its seed and the candidates' code.
    Raises:
        RequestError: the same run is under way, or the one to resume was made with other versions.
        OSError: it cannot be written there.
    """
    path = directory / FOLDER / f"{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RequestError(f"the same run is under way, with its journal {path}: wait for it, or choose another --report-dir") from None
    try:
        records, length = _read(descriptor, path.name) if resume else ([], 0)
        _refuse_foreign(records, path)
        os.ftruncate(descriptor, length)
        _keep_name(path.parent)
    except BaseException:
        os.close(descriptor)
        raise
    return Journal(path, descriptor, records)


def read_records(data: bytes, name: str) -> Iterator[tuple[Record, int]]:
    """Every whole record of the journal of this name from the start on, and where it ends; stops before the first that is not ours."""
    position = 0
    for line in data.splitlines(keepends=True):
        position += len(line)
        signature, _, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or not verifies(_signed(text, name), signature.decode("ascii", "replace")):
            return
        record = json.loads(text)
        yield record, position


def _read(descriptor: int, name: str) -> tuple[list[Record], int]:
    with open(os.dup(descriptor), "rb") as file:
        file.seek(0)
        found = list(read_records(file.read(), name))
    return [record for record, _ in found], found[-1][1] if found else 0


def _refuse_foreign(records: list[Record], path: Path) -> None:
    if records and (records[0].get("format"), records[0].get("environment")) != (FORMAT, environment()):
        raise RequestError(f"cannot resume: {path} was begun with other versions of Python or of its packages; run without --resume")


def _line(record: Record, name: str) -> bytes:
    text = json.dumps(record).encode()
    return b"%s %s\n" % (sign(_signed(text, name)).encode(), text)


def _signed(text: bytes, name: str) -> bytes:
    """What is signed of a line: with the journal's name, which says what was asked."""
    return name.encode() + b"\0" + text


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _keep_name(folder: Path) -> None:
    """A new file's name is only on the disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
