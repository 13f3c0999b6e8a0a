"""Candidates judged side by side, each in a referee's process of its own with its own zygote, one candidate at a time.

The parent deals out candidates and takes back what was found. Between the two goes pickled data of ours, over a socket that no worker
inherits: a candidate's process is two processes away. Each child draws the problems for itself, the same for the same seed. A child leaves
when its socket closes or its parent is gone, and its zygote with it. One that dies costs its candidate a `HarnessError`, and another takes
its place. A candidate that sleeps takes no processor: while one does, another is judged in its stead.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from verifier.candidates.discovery import Candidate
from verifier.candidates.watching import read_use_below
from verifier.errors import HarnessError, IsolationError
from verifier.results.outcome import Outcome
from verifier.verification.bench import Bench, Setting
from verifier.verification.record import Judged

LOOK_SECONDS = 0.5  # between two looks whether the parent is still there
LEAVE_SECONDS = 10.0
RESTING_SECONDS = 3.0  # over which a resting child can be distinguished from a working one
RESTING_SHARE = 0.05  # of a processor
CHILDREN_A_JOB = 2  # at most, with those that rest: each holds some 300 MB


@dataclass
class _Child:
    """One process, and the position of the candidate that it judges; None while it has none.

    `rests`: whether it used no processor between the last two looks, at `looked`; `used` are its CPU seconds then, None where unknown.
    """

    process: subprocess.Popen[bytes]
    connection: Connection
    position: int | None = None
    rests: bool = False
    looked: float = 0.0
    used: float | None = None

    def look(self) -> None:
        """See whether it rests, where the last look is long enough ago."""
        now = time.monotonic()
        if now - self.looked < RESTING_SECONDS:
            return
        used = read_use_below(self.process.pid)
        grown = None if used is None or self.used is None else used - self.used
        self.rests = grown is not None and 0.0 <= grown < RESTING_SHARE * (now - self.looked)
        self.looked, self.used = now, used

    def busy_with(self, position: int | None) -> None:
        """Begin with a candidate, or be done with one."""
        self.position, self.rests, self.used, self.looked = position, False, None, 0.0


@dataclass
class SideBySide:
    """Deals candidates out to `jobs` processes that work, and to others in the stead of those that rest; a context manager that leaves none
    behind. `folder`: where they run; where this process does, if it is None.
    """

    setting: Setting
    jobs: int
    folder: str | None = None
    _children: list[_Child] = field(default_factory=list)

    def judge(
        self, candidates: Sequence[Candidate], found: Callable[[Candidate, Outcome], None]
    ) -> Iterator[tuple[int, Judged | HarnessError]]:
        """What came of each candidate, with its position, as it is finished."""
        waiting = deque(enumerate(candidates))
        left = len(candidates)
        while left:
            self._deal(waiting)
            busy = [child for child in self._children if child.position is not None]
            for connection in wait([child.connection for child in busy], LOOK_SECONDS if waiting else None):
                child = next(one for one in busy if one.connection is connection)
                position = child.position
                assert position is not None
                kind, content = self._receive(child)
                if kind == "found":
                    found(candidates[position], content)
                    continue
                child.busy_with(None)
                left -= 1
                if isinstance(content, IsolationError):
                    raise content
                self._deal(waiting)  # before what was found is shown and written: the child need not wait for that
                yield position, content

    def _deal(self, waiting: "deque[tuple[int, Candidate]]") -> None:
        for child in self._children:
            if child.position is not None:
                child.look()
        working = sum(child.position is not None and not child.rests for child in self._children)
        for _ in range(min(self.jobs - working, len(waiting))):
            idle = self._idle()
            if idle is None:
                return
            position, candidate = waiting.popleft()
            idle.busy_with(position)
            with contextlib.suppress(OSError):  # one that is gone already is found out when it is listened to
                idle.connection.send(candidate)

    def _idle(self) -> _Child | None:
        """A child without a candidate, started where there is none; None where there are as many as may be."""
        found = next((child for child in self._children if child.position is None), None)
        if found is None and len(self._children) < self.jobs * CHILDREN_A_JOB:
            found = self._start()
            self._children.append(found)
        return found

    def _receive(self, child: _Child) -> tuple[str, Any]:
        try:
            kind, content = child.connection.recv()
            return kind, content
        except (EOFError, OSError):
            self._end(child)
            self._children.remove(child)
            status = child.process.returncode
            return "judged", HarnessError(f"the process that judged it ended without an answer (exit status {status})")

    def _start(self) -> _Child:
        ours, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": path},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C at the terminal is the parent's to handle
            )
        connection = Connection(ours.detach())
        with contextlib.suppress(OSError):
            connection.send(self.setting)
        return _Child(process, connection)

    def _end(self, child: _Child) -> None:
        child.connection.close()
        try:
            child.process.wait(LEAVE_SECONDS if child.position is None else 0.0)
        except subprocess.TimeoutExpired:
            child.process.terminate()
            try:
                child.process.wait(LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def __enter__(self) -> "SideBySide":
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.connection.close()
        for child in self._children:
            self._end(child)
        self._children.clear()


def main(descriptor: int) -> None:
    """A child: judge what comes over the socket, one candidate after another, until it closes."""
    parent = os.getppid()
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the zygote is ended on the way out
    connection = Connection(descriptor)
    setting = connection.recv()
    with Bench(setting, lambda *_: None) as bench:
        while True:
            try:
                candidate = connection.recv()
            except (EOFError, ConnectionResetError):  # the second where it left without having read our last answer
                return
            answer: Judged | HarnessError | IsolationError
            try:
                answer = bench.judge(candidate, lambda outcome: connection.send(("found", outcome)))
            except (HarnessError, IsolationError) as error:
                answer = error
            except Exception as error:
                answer = HarnessError(f"{type(error).__name__}: {error}")
            try:
                connection.send(("judged", answer))
            except (BrokenPipeError, ConnectionResetError):  # whoever asked was interrupted, and waits for nothing any more
                return


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    from verifier.verification import side_by_side  # the classes of the module by its own name, as they are pickled

    side_by_side.main(int(sys.argv[1]))
