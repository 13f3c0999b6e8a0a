"""Jobs in processes of their own, several at a time: forks of the one that has collected the tests, or fresh ones where a fork is not safe.

What a job finds comes back over a pipe, a JSON object a line. A process that is silent for too long is ended with its group.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.audit.jobs import Job


@dataclass(frozen=True)
class Done:
    """A job that has ended.

    Attributes:
        messages: what it sent, in order.
        trouble: "" where it ended by itself; else "hangs" or how the process died.
        test: where there was trouble, the test that had begun.
    """

    job: Job
    messages: tuple[Mapping[str, Any], ...]
    seconds: float
    trouble: str = ""
    test: str = ""

    def last(self, key: str, default: Any = None) -> Any:
        """The last message's value under this key."""
        return next((message[key] for message in reversed(self.messages) if key in message), default)

    def each(self, key: str) -> list[Any]:
        """What the child said under one key, in the order of its messages."""
        return [message[key] for message in self.messages if key in message]


@dataclass
class _Child:
    job: Job
    pid: int
    pipe: int
    patience: float
    began: float
    heard: float
    buffer: bytes = b""
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    killed: bool = False


Start = Callable[[Job, int], int]
"""Starts a job that writes to this descriptor; the process's id."""


def forked(perform: Callable[[Job, Callable[[Mapping[str, Any]], None]], None]) -> Start:
    """A fork of this process for each job."""

    def start(job: Job, pipe: int) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            # A group of its own: what the tests start is ended with it.
            os.setpgid(0, 0)
            perform(job, sender(pipe))
        except BaseException as error:
            _write(pipe, {"broke": f"{type(error).__name__}: {error}"})
            os._exit(1)
        # Without clean-up: buffers and exit handlers are copies of the parent's, which runs them itself.
        os._exit(0)

    return start


def fresh(write_spec: Callable[[Job, int], str]) -> Start:
    """A process for each job that imports and collects again."""

    def start(job: Job, pipe: int) -> int:
        words = [sys.executable, "-m", "verifier.audit.inside", write_spec(job, pipe)]
        return subprocess.Popen(words, pass_fds=(pipe,), start_new_session=True).pid

    return start


def _write(pipe: int, message: Mapping[str, Any]) -> None:
    line = json.dumps(message).encode() + b"\n"
    while line:
        line = line[os.write(pipe, line) :]


def sender(pipe: int) -> Callable[[Mapping[str, Any]], None]:
    """A function that writes a message to this pipe as one line of JSON; it returns when all of it is written."""
    return lambda message: _write(pipe, message)


def run(jobs: Iterable[Job], start: Start, *, at_once: int, patience: Callable[[Job], float]) -> Iterator[Done]:
    """The jobs as they end, started in their order.

    Args:
        patience: seconds for which a job may be silent.
    """
    waiting, children = iter(jobs), dict[int, _Child]()
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while len(children) < at_once and (job := next(waiting, None)) is not None:
                    child = _begin(job, start, patience(job))
                    children[child.pipe] = child
                    selector.register(child.pipe, selectors.EVENT_READ)
                if not children:
                    return
                # Not longer, so that a process that is silent for too long is seen soon.
                for key, _ in selector.select(timeout=0.2):
                    child = children[key.fd]
                    if not _listen(child):
                        selector.unregister(key.fd)
                        del children[key.fd]
                        yield _end(child)
                for child in children.values():
                    if not child.killed and time.monotonic() - child.heard > child.patience:
                        child.killed = True
                        _kill(child.pid)
        finally:
            for child in children.values():
                _kill(child.pid)
                os.close(child.pipe)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, 0)


def _begin(job: Job, start: Start, patience: float) -> _Child:
    reading, writing = os.pipe()
    pid = start(job, writing)
    # Else the pipe would not end with the child.
    os.close(writing)
    now = time.monotonic()
    return _Child(job, pid, reading, patience, now, now)


def _listen(child: _Child) -> bool:
    """Whether there will be more."""
    text = os.read(child.pipe, 1 << 16)
    child.heard = time.monotonic()
    *lines, child.buffer = (child.buffer + text).split(b"\n")
    child.messages += [json.loads(line) for line in lines]
    return bool(text) and not child.killed


def _kill(pid: int) -> None:
    # A child that has not made its group yet is ended alone.
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _end(child: _Child) -> Done:
    os.close(child.pipe)
    status = 0
    with contextlib.suppress(ChildProcessError):
        _, status = os.waitpid(child.pid, 0)
    trouble = "hangs" if child.killed else ""
    if os.WIFSIGNALED(status) and not child.killed:
        trouble = f"crashes ({signal.Signals(os.WTERMSIG(status)).name})"
    elif status and not child.killed:
        trouble = f"ends with status {os.WEXITSTATUS(status)}"
    began = next((message["began"] for message in reversed(child.messages) if "began" in message), "")
    return Done(child.job, tuple(child.messages), time.monotonic() - child.began, trouble, began if trouble else "")
