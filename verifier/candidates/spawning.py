"""The process that starts workers, as long as it starts nothing: of the referee it has a control socket alone.

It imports NumPy first, which takes as long as the referee's own imports: whoever knows that it will be needed begins it ahead of these.
This module imports little, therefore.
"""

import contextlib
import os
import shutil
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from verifier.errors import HarnessError

END_SECONDS = 20.0
KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TRITON_INTERPRET")
ONE_THREAD_EACH = ("OPENBLAS", "OMP", "MKL", "BLIS", "NUMEXPR")


@dataclass(frozen=True)
class Spawned:
    """The process, our end of its control socket, what it complains into, and the folder that its workers have their scratch in."""

    process: "subprocess.Popen[bytes]"
    control: socket.socket
    complaints: IO[bytes]
    home: str

    def end(self) -> None:
        """End it and with it all its workers; nothing survives."""
        self.control.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.clear_up()

    def clear_up(self) -> None:
        """Remove what it leaves behind where it was killed."""
        self.complaints.close()
        shutil.rmtree(self.home, ignore_errors=True)


_ahead: dict[bool, Spawned] = {}


@contextmanager
def begun_ahead(*, isolated: bool) -> Iterator[None]:
    """Begin a process now, for whoever takes one within; one that nobody took is ended."""
    with contextlib.suppress(HarnessError):  # said by whoever needs it
        _ahead[isolated] = _spawn(isolated)
    try:
        yield
    finally:
        if (unused := _ahead.pop(isolated, None)) is not None:
            unused.end()


def take(*, isolated: bool) -> Spawned:
    """The process that was begun ahead, or a new one. Raises HarnessError where none can be started."""
    return _ahead.pop(isolated, None) or _spawn(isolated)


def _spawn(isolated: bool) -> Spawned:
    try:
        complaints = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the process that writes into it
        # Of no name that tells its workers where they run. The process removes it; this side does where it was killed.
        home = tempfile.mkdtemp()
    except OSError as error:
        remedy = "free some space, or set TMPDIR to a folder that takes files"
        raise HarnessError(f"no temporary folder for the workers can be made ({error.strerror}): {remedy}") from None
    control, theirs = socket.socketpair()
    with theirs:
        arguments = ["-m", "verifier.worker", str(theirs.fileno()), "on" if isolated else "off", home]
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-B", "-X", "utf8", *arguments],
                env=_clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C at the terminal is the referee's to handle
            )
        except OSError as error:
            control.close()
            complaints.close()
            shutil.rmtree(home, ignore_errors=True)
            raise HarnessError(f"the process that starts the workers cannot be started: {error}") from error
    return Spawned(process, control, complaints, home)


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
