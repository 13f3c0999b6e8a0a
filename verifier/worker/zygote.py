"""The zygote: a process that has imported NumPy and the worker's code, and forks one child for each candidate.

It hears one control socket: each message (a length, JSON, three descriptors by SCM_RIGHTS) asks for a worker. The descriptors are the
worker's channel, its output, and a report socket on which the zygote tells two things about that worker alone: that it was forked
(process id, scratch folder and, where there are such, a pidfd), and how it ended, after it was reaped and its scratch folder removed.
So nobody waits for another's worker.

When the control socket closes, or this process is told to end, every worker is killed and nothing is left behind.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import stat
import struct
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from verifier import wire
from verifier.worker.confinement import Preparation, forbidding, prepare
from verifier.worker.granting import site_folders, without
from verifier.worker.serving import serve

LENGTH = struct.Struct("<I")
START_BYTES = 1 << 20
DESCRIPTORS = 3

Packages = tuple[str, ...]


@dataclass(frozen=True)
class Worker:
    """A child that runs: where to tell its end, and the folder to remove then (empty where it has none)."""

    report: socket.socket
    scratch: str


def run(control: socket.socket, home: str, *, isolated: bool) -> None:
    """Fork workers until the control socket closes; then kill them, remove `home`, and return.

    Args:
        control: the socket that asks for workers.
        home: a folder that takes their scratch folders.
        isolated: False where isolation is switched off.
    """
    root = str(Path(__file__).resolve().parents[2])
    sys.path[:] = without(sys.path, root)
    os.environ.pop("PYTHONPATH", None)
    preparations: dict[Packages, Preparation] = {(): prepare(_never_readable(root), isolated)}
    _warm_up()
    _forget_the_verifier()
    with contextlib.suppress(OSError):
        os.chmod(home, 0o711)  # each worker may have a user of its own, who must get to its own folder within
    wakeup = _wake_on_dead_children()
    workers: dict[int, Worker] = {}
    gc.collect()
    gc.freeze()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(control, selectors.EVENT_READ)
            selector.register(wakeup, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if wakeup in ready:
                    wakeup.recv(4096)
                    _reap(workers)
                if control in ready and not _start_worker(control, workers, preparations, home):
                    return
    finally:
        _end(workers, home)


def _warm_up() -> None:
    """What every worker would do first, done once; and NumPy's global generator, which then begins alike in all."""
    wire.decode_blob(wire.encode({}, {"x": np.zeros(1)})[wire.PREFIX.size :])
    compile("x = 1", "warm-up", "exec")
    np.random.seed(0)
    sys.dont_write_bytecode = True


def _forget_the_verifier() -> None:
    """No import of the verifier from here on: a candidate could import the right answer."""
    for name in [name for name in sys.modules if name == "verifier" or name.startswith("verifier.")]:
        del sys.modules[name]
    sys.modules["verifier"] = None  # type: ignore[assignment]


def _start_worker(control: socket.socket, workers: dict[int, Worker], preparations: dict[Packages, Preparation], home: str) -> bool:
    """Take one message and fork. False where the control socket closed. `preparations` are kept by what they forbid."""
    taken = _take_message(control)
    if taken is None:
        return False
    start, (channel, output, report) = taken
    forbid = tuple(start["limits"]["forbid"])
    preparation = preparations.setdefault(forbid, preparations.get(forbid) or forbidding(preparations[()], forbid))
    scratch = tempfile.mkdtemp(dir=home) if start["limits"]["scratch_bytes"] else ""
    zygote = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become_ordinary()
        serve(start, channel, output, scratch, zygote, preparation)
    os.close(channel)
    os.close(output)
    workers[pid] = Worker(socket.socket(fileno=report), scratch)
    _tell_start(workers[pid], pid)
    return True


def _take_message(control: socket.socket) -> tuple[dict[str, Any], tuple[int, int, int]] | None:
    head, descriptors, _, _ = socket.recv_fds(control, LENGTH.size, DESCRIPTORS)
    if len(head) < LENGTH.size or len(descriptors) != DESCRIPTORS:
        return None
    (length,) = LENGTH.unpack(head)
    body = b""
    while len(body) < min(length, START_BYTES):
        chunk = control.recv(length - len(body))
        if not chunk:
            return None
        body += chunk
    channel, output, report = descriptors
    return json.loads(body), (channel, output, report)


def _tell_start(worker: Worker, pid: int) -> None:
    pidfd: int | None = None
    with contextlib.suppress(AttributeError, OSError):  # only Linux has them
        pidfd = os.pidfd_open(pid)
    line = json.dumps({"pid": pid, "scratch": worker.scratch}).encode() + b"\n"
    with contextlib.suppress(OSError):  # the referee gave this worker up: its channel is closed, it will end
        socket.send_fds(worker.report, [line], [pidfd] if pidfd is not None else [])
    if pidfd is not None:
        os.close(pidfd)


def _reap(workers: dict[int, Worker], *, wait: bool = False) -> None:
    for pid in list(workers):
        ended, status, usage = os.wait4(pid, 0 if wait else os.WNOHANG)
        while ended and os.WIFSTOPPED(status):  # it had itself traced by its parent, which only seccomp refuses
            os.kill(pid, signal.SIGKILL)
            ended, status, usage = os.wait4(pid, 0)
        if ended:
            worker = workers.pop(pid)
            if worker.scratch:
                _remove_folder(worker.scratch)
            unit = 1 if sys.platform == "darwin" else 1024
            end = {"status": status, "cpu": usage.ru_utime + usage.ru_stime, "peak_memory": usage.ru_maxrss * unit}
            with contextlib.suppress(OSError):
                worker.report.sendall(json.dumps(end).encode() + b"\n")
            worker.report.close()


def _end(workers: dict[int, Worker], home: str) -> None:
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _reap(workers, wait=True)
    _remove_folder(home)


def _remove_folder(folder: str) -> None:
    """Remove what a worker wrote, however deep and closed: each folder within is moved up before its own turn, so that no path grows."""
    waiting, moved, pile = [folder], 0, f"{folder}.pile"
    with contextlib.suppress(OSError):
        while waiting:
            place = waiting.pop()
            for entry in list(os.scandir(place)):
                if entry.is_dir(follow_symlinks=False):
                    os.makedirs(pile, exist_ok=True)
                    os.chmod(entry.path, stat.S_IRWXU)
                    waiting.append(os.path.join(pile, str(moved)))
                    moved += 1
                    os.rename(entry.path, waiting[-1])
                else:
                    os.unlink(entry.path)
            os.rmdir(place)
        if moved:
            os.rmdir(pile)


def _wake_on_dead_children() -> socket.socket:
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    return reading


def _become_ordinary() -> None:
    """Undo in the child what the zygote set up for its own signals."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _never_readable(root: str) -> frozenset[str]:
    """The verifier's own code: its checkout, or its package and what its installation left beside it."""
    if root not in site_folders():
        return frozenset({root})
    beside = [entry for entry in os.listdir(root) if "backprop_verifier" in entry]
    return frozenset(os.path.join(root, entry) for entry in ("verifier", *beside))
