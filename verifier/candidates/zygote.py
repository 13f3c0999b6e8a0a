"""One way to start workers: a zygote, a process of its own from the first, that forks one for each candidate.

It shares nothing with the referee but a control socket, and gets a clean environment and import path. When the referee goes, however
it goes, the socket closes, and the zygote kills its workers and ends. `verifier.worker` is the other side.
"""

import contextlib
import json
import os
import shutil
import site
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from verifier.candidates.descriptors import Channel, Output, Report
from verifier.candidates.limits import Limits
from verifier.candidates.session import GONE, Session, Target
from verifier.errors import HarnessError, IsolationError

Isolation = Literal["auto", "require", "off"]
LENGTH = struct.Struct("<I")
END_SECONDS = 20.0
KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TRITON_INTERPRET")
ONE_THREAD_EACH = ("OPENBLAS", "OMP", "MKL", "BLIS", "NUMEXPR")


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
        try:
            self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the process that writes into it
            # Of no name that tells its workers where they run. The zygote removes it; this side does where it was killed.
            self._home = tempfile.mkdtemp()
        except OSError as error:
            remedy = "free some space, or set TMPDIR to a folder that takes files"
            raise HarnessError(f"no temporary folder for the workers can be made ({error.strerror}): {remedy}") from None
        self._control, theirs = socket.socketpair()
        with theirs:
            arguments = ["-m", "verifier.worker", str(theirs.fileno()), "off" if isolation == "off" else "on", self._home]
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-B", "-X", "utf8", *arguments],
                    env=_clean_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._complaints,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # Ctrl-C at the terminal is the referee's to handle
                )
            except OSError as error:
                self._control.close()
                self._clear_up()
                raise HarnessError(f"the process that starts the workers cannot be started: {error}") from error

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
        self._control.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._clear_up()

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
                socket.send_fds(self._control, [LENGTH.pack(len(body))], descriptors)
                self._control.sendall(body)
        except OSError as error:
            session.close()
            raise HarnessError(f"{GONE}{self._last_words()}") from error
        return session

    def _clear_up(self) -> None:
        self._complaints.close()
        shutil.rmtree(self._home, ignore_errors=True)

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
            self._complaints.seek(0)
            lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
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


def _clean_environment() -> dict[str, str]:
    """Only what Python needs; one thread for BLAS and for XLA (NPROC), and the same hashes in every run."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    single = {f"{library}_NUM_THREADS": "1" for library in ONE_THREAD_EACH} | {"VECLIB_MAXIMUM_THREADS": "1", "NPROC": "1"}
    root = str(Path(__file__).resolve().parents[2])
    folders = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages())
    installed = root in map(os.path.realpath, folders)
    # From a checkout the zygote finds its own code by this path, and takes it off the import path before a candidate comes.
    checkout = {} if installed else {"PYTHONPATH": root}
    return {**kept, **single, **checkout, "PYTHONHASHSEED": "0", "LANG": "C.UTF-8"}
