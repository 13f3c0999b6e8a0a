"""One way to start workers: a zygote, a process of its own from the first, that forks one for each candidate.

It shares nothing with the referee but a control socket, and gets a clean environment and import path. When the referee goes, however
it goes, the socket closes, and the zygote kills its workers and ends. `verifier.worker` is the other side.
"""

import contextlib
import json
import os
import socket
import struct
import sys
import threading
from dataclasses import asdict
from types import TracebackType
from typing import Any, Literal, Self

from verifier.candidates.descriptors import Channel, Output, Report
from verifier.candidates.limits import Limits
from verifier.candidates.session import GONE, Session, Target
from verifier.candidates.spawning import take
from verifier.errors import HarnessError, IsolationError

Isolation = Literal["auto", "require", "off"]
LENGTH = struct.Struct("<I")


def files_can_be_confined() -> bool:
    """Whether this kernel has Landlock, so that a worker's files are its own; whether one is confined, its session tells."""
    try:
        from landlock import landlock_abi_version  # type: ignore[import-untyped]

        return int(landlock_abi_version()) > 0
    except Exception:  # no such package, no such system call
        return False


class Zygote:
    """Starts workers, from any thread; a context manager. With `require`, a start raises IsolationError where confinement is missing."""

    def __init__(self, *, isolation: Isolation = "auto") -> None:
        self._isolation = isolation
        self._lock = threading.Lock()
        self._spawned = take(isolated=isolation != "off")

    def start(self, target: Target, limits: Limits | None = None) -> Session:
        """Fork a worker that confines itself and loads the candidate.

        Raises:
            WorkerEnded: it died or passed a limit while it loaded the candidate. (A module that raises ends in `hello["load_error"]`.)
            IsolationError: confinement is required and not available.
            HarnessError: the zygote is gone.
        """
        limits = limits or Limits()
        session = self._fork(target, limits)
        try:
            session.await_hello(required=self._isolation == "require")
            self._require_confinement(session)
        except HarnessError as error:
            session.close()
            raise HarnessError(f"{error}{self._last_words()}") from error
        except BaseException:
            session.close()
            raise
        return session

    def close(self) -> None:
        """End the zygote and with it all its workers; nothing survives."""
        self._spawned.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _fork(self, target: Target, limits: Limits) -> Session:
        channel, their_channel = socket.socketpair()
        report, their_report = socket.socketpair()
        output, their_output = os.pipe()
        session = Session(Channel(channel, limits.answer_bytes), Output(output), Report(report), limits)
        body = json.dumps({"target": _plain(target), "limits": asdict(limits), "isolation": self._isolation}).encode()
        try:
            with self._lock, their_channel, their_report, open(their_output, "wb") as their_end:
                descriptors = [end.fileno() for end in (their_channel, their_end, their_report)]
                socket.send_fds(self._spawned.control, [LENGTH.pack(len(body))], descriptors)
                self._spawned.control.sendall(body)
        except OSError as error:
            session.close()
            raise HarnessError(f"{GONE}{self._last_words()}") from error
        return session

    def _require_confinement(self, session: Session) -> None:
        isolation = session.hello["isolation"]
        if self._isolation == "require" and not (isolation.get("files") and isolation.get("system_calls")):
            missing = [what for what, key in (("files", "files"), ("system calls", "system_calls")) if not isolation.get(key)]
            raise IsolationError(
                f"isolation is required, but {' and '.join(missing)} cannot be confined here: {isolation.get('reason')}"
                + (". On a Mac, grade in a Linux container: docs/examples/Dockerfile" if sys.platform == "darwin" else "")
            )

    def _last_words(self) -> str:
        """What the zygote said last, as the end of a sentence."""
        with contextlib.suppress(OSError, ValueError):
            self._spawned.complaints.seek(0)
            lines = self._spawned.complaints.read().decode("utf-8", "replace").strip().splitlines()
            return f" ({lines[-1]})" if lines else ""
        return ""


def _plain(target: Target) -> dict[str, Any]:
    return {
        "file": None if target.file is None else os.path.abspath(target.file),
        "import_root": None if target.import_root is None else os.path.abspath(target.import_root),
        "readable": [os.path.abspath(path) for path in target.readable],
        "module": target.module,
        "entry": target.entry,
        "path": [os.path.abspath(path) for path in target.path],
        "stand_ins": list(target.stand_ins),
        "numpy_aliases": target.numpy_aliases,
    }
