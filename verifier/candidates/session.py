"""The referee's end of one worker: ask it, watch it, end it.

Three descriptors lead to a worker. Over the *channel* go frames, one request and one answer at a time. What the candidate prints
comes through the *output* pipe and can never be taken for an answer. Over the *report* socket the zygote, not the worker, tells that
it was started and how it ended. The referee waits on all three at once: a flood of prints neither blocks the worker nor grows here, a
dead worker is seen at once, and no wait is without a deadline.

The worker is stopped while nothing is asked: what runs beside its answers (a thread that fills the scratch folder) has no time in which
nobody looks.

Invariants: after any `WorkerEnded` the worker is dead and reaped, and the session raises the same again whenever it is asked. Nothing
that comes over the channel is believed: length, protocol version, header, the number of the question and the form of the reply are
checked, and arrays are only data.
"""

import contextlib
import math
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from numpy.typing import NDArray

from verifier import wire
from verifier.candidates import endings
from verifier.candidates.descriptors import Channel, Death, Output, Report, TooLarge
from verifier.candidates.endings import Reason, WorkerEnded
from verifier.candidates.limits import Limits
from verifier.candidates.replies import check_replies, plain_hello
from verifier.candidates.watching import measure_folder, read_memory, read_use
from verifier.errors import HarnessError

__all__ = ["Answer", "Reason", "Session", "Target", "WorkerEnded"]

WATCH_SECONDS = 0.03  # between two looks at threads, memory and scratch: what a candidate can do unseen
END_SECONDS = 20.0  # for the kernel and the zygote to clear a killed worker away
GRACE_SECONDS = 0.3  # a worker whose channel closed is about to end
Read = TypeVar("Read")
GONE = "the process that starts the workers has ended"


@dataclass(frozen=True)
class Target:
    """What a worker loads.

    Attributes:
        file: the candidate's Python file; None where `module` is given.
        import_root: folder put first on sys.path, or None.
        readable: what the worker may read beside Python and installed packages; in tracebacks it counts as the candidate's own code.
        module: an installed "package.module" (or one below `import_root`) to import instead of a file.
        entry: name of the entry; where it is dotted ("net.backprop"), all functions are looked up on what stands before the last dot.
        path: more folders to import from, behind `import_root`.
        stand_ins: modules that the candidate imports and that may be empty where it does not compute with them.
        numpy_aliases: whether NumPy gets back the names that version 2 took away.
    """

    file: Path | None
    import_root: Path | None = None
    readable: tuple[Path, ...] = ()
    module: str | None = None
    entry: str = "backprop"
    path: tuple[Path, ...] = ()
    stand_ins: tuple[str, ...] = ()
    numpy_aliases: bool = False


@dataclass(frozen=True)
class Answer:
    """One answer: the message, and the arrays that it names (read-only)."""

    message: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


class Session:
    """One worker; a context manager. `hello` tells its functions, its isolation and, where the module did not load, the `load_error`."""

    def __init__(self, channel: Channel, output: Output, report: Report, limits: Limits) -> None:
        self.hello: dict[str, Any] = {}
        self._channel, self._output, self._report = channel, output, report
        self._limits = limits
        self._ended: WorkerEnded | None = None
        self._number = 0
        self._watched = time.monotonic()
        self._cpu_before: float | None = None  # when the worker was first looked at for the present answer

    @property
    def death(self) -> Death | None:
        """CPU time and peak memory, once the worker is gone."""
        return self._report.death

    def ask(self, message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, seconds: float = math.inf) -> Answer:
        """Send one request and wait for its answer: as many results and lines as were asked for, of the form that was asked for.

        Args:
            seconds: how long to wait, where that is less than the limit for an answer.
        Raises:
            WorkerEnded: no answer came in time, or nonsense did, or a limit was passed; the worker is gone then.
            HarnessError: the zygote is gone.
        """
        self._number += 1
        seconds = min(seconds, self._limits.wall_seconds)
        reply, answered = self._exchange(wire.encode({**message, "number": self._number}, arrays), seconds)
        if reply.pop("number", None) != self._number or not self._channel.idle:
            raise self._end(WorkerEnded("protocol", "sent more than its answers over its private channel"))
        self._believed(lambda: check_replies(message, reply, answered, arrays))
        self._signal(signal.SIGSTOP)
        return Answer(reply, answered)

    def await_hello(self, *, required: bool) -> None:
        """Wait until the candidate is loaded, or failed to. Where `required` confinement is not there, only its isolation is reported."""
        isolation, _ = self._exchange(b"", self._limits.load_seconds, loading=True)
        if "broken" in isolation:
            raise HarnessError(f"a worker could not be set up: {isolation['broken']}")
        self.hello = {"functions": {}, "isolation": isolation}
        if required and not (isolation.get("files") and isolation.get("system_calls")):
            return
        loaded, _ = self._exchange(b"", self._limits.load_seconds, loading=True)
        self.hello = self._believed(lambda: plain_hello(isolation, loaded))
        self._signal(signal.SIGSTOP)

    def printed(self) -> str:
        """The last 64 KiB of what it printed to stdout and stderr."""
        self._output.drain()
        return self._output.text()

    def close(self) -> None:
        """Kill the worker, if it lives, and wait until it is gone and its scratch folder removed."""
        if self._report.fileno() < 0:
            return
        self._ended = self._ended or WorkerEnded("left", "was closed")
        with contextlib.suppress(HarnessError):
            self._kill()
        self._output.drain()
        for end in (self._channel, self._output, self._report):
            end.close()

    def kill(self) -> None:
        """End the worker, from any thread: an `ask` that waits meanwhile raises WorkerEnded."""
        with contextlib.suppress(OSError):
            if self._report.pidfd is not None:
                signal.pidfd_send_signal(self._report.pidfd, signal.SIGKILL)
            elif self._report.pid is not None and self._report.death is None:
                os.kill(self._report.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _exchange(self, frame: bytes, seconds: float, *, loading: bool = False) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Send a frame, if there is one, and wait for the next, looking after the worker meanwhile."""
        if self._ended is not None:
            raise self._ended
        deadline = time.monotonic() + seconds
        self._cpu_before = None
        self._signal(signal.SIGCONT)
        self._channel.send(frame)
        del frame  # it may be as large as the network, and so is the answer
        while (blob := self._believed(self._channel.receive)) is None:
            self._require_life(loading)
            if (left := deadline - time.monotonic()) <= 0:
                raise self._end(endings.wall_passed(seconds, loading=loading))
            self._watch()
            self._wait(min(left, WATCH_SECONDS))
        self._watch()
        return self._believed(lambda: wire.decode_blob(blob))

    def _wait(self, seconds: float) -> None:
        """Until something comes over one of the three descriptors, or the time has passed."""
        poll = select.poll()
        for end in (self._channel, self._output, self._report):
            if not end.closed:
                poll.register(end.fileno(), select.POLLIN)
        if self._channel.sending and not self._channel.closed:
            poll.modify(self._channel.fileno(), select.POLLIN | select.POLLOUT)
        ready = {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
        if self._output.fileno() in ready:
            self._output.drain()
        if self._report.fileno() in ready:
            self._report.read()
        self._channel.send_more()

    def _require_life(self, loading: bool) -> None:
        """Raises where the worker, its channel or the zygote is gone, and no answer was left behind."""
        if self._report.death is not None:
            self._output.drain()
            raise self._end(endings.explain_death(self._report.death, self._limits, loading=loading))
        if self._report.closed:
            raise HarnessError(GONE)
        if self._channel.closed:
            self._await_report(lambda: self._report.death is not None, GRACE_SECONDS)
            if self._report.death is None:
                raise self._end(WorkerEnded("left", "closed the channel over which it should answer"))

    def _watch(self) -> None:
        """Hold the worker to the limits that no kernel keeps for us; a look at threads, memory and scratch now and then."""
        if self._output.count > self._limits.output_bytes:
            raise self._end(endings.passed_output(self._limits))
        now = time.monotonic()
        if now - self._watched < WATCH_SECONDS or self._report.pid is None:
            return
        self._watched = now
        threads, cpu = read_use(self._report.pid)
        if threads > self._limits.threads:
            raise self._end(endings.passed_threads(self._limits))
        self._cpu_before = cpu if self._cpu_before is None else self._cpu_before
        if cpu - self._cpu_before > self._limits.cpu_seconds:
            raise self._end(endings.passed_cpu(self._limits))
        if read_memory(self._report.pid) > self._limits.memory:
            raise self._end(endings.passed_memory(self._limits))
        if not self._report.scratch:
            return
        size, files = measure_folder(str(self._report.scratch), self._limits.scratch_files)
        if size > self._limits.scratch_bytes or files > self._limits.scratch_files:
            raise self._end(endings.passed_scratch(self._limits))

    def _believed(self, read: Callable[[], Read]) -> Read:
        """What `read` makes of something that the worker sent; where it is nonsense, the worker's end."""
        try:
            return read()
        except wire.WireError as error:
            raise self._end(WorkerEnded("protocol", f"sent something else than an answer over its private channel ({error})")) from error
        except TooLarge as error:
            raise self._end(endings.passed_answer(error.length, self._limits)) from error

    def _end(self, ended: WorkerEnded) -> WorkerEnded:
        """Kill the worker, if it lives, and remember why."""
        self._ended = ended
        self._kill()
        ended.printed = self.printed()
        return ended

    def _kill(self) -> None:
        self._await_report(lambda: self._report.pid is not None, END_SECONDS)
        self._signal(signal.SIGKILL)
        self._await_report(lambda: self._report.death is not None, END_SECONDS)
        if self._report.death is None:
            raise HarnessError(GONE if self._report.closed else f"a killed worker did not end within {END_SECONDS:g} s")

    def _signal(self, number: signal.Signals) -> None:
        """Send it to the worker, if that lives."""
        self._report.read()
        if self._report.death is None and self._report.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                if self._report.pidfd is not None:
                    signal.pidfd_send_signal(self._report.pidfd, number)
                else:
                    os.kill(self._report.pid, number)

    def _await_report(self, reported: Callable[[], bool], seconds: float) -> None:
        """Wait until the zygote reported something, for so long."""
        deadline = time.monotonic() + seconds
        self._report.read()
        while not reported() and not self._report.closed and (left := deadline - time.monotonic()) > 0:
            select.select([self._report], [], [], left)
            self._report.read()
