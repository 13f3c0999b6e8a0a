"""The three descriptors that lead to a worker, each read without ever blocking: its channel, its output, the zygote's report about it."""

import contextlib
import json
import os
import socket
from dataclasses import dataclass
from typing import Any

from verifier import wire

CHUNK = 1 << 16
KEPT_OUTPUT = 64 << 10
DRAINS = 16  # reads in one go: a flood must not keep the referee from its clock
HEADER_ROOM = wire.HEADER_BYTES + 16


@dataclass(frozen=True)
class Death:
    """What the kernel told about a dead worker: its wait status, CPU time in seconds and peak memory in bytes."""

    status: int
    cpu: float
    peak_memory: int


class TooLarge(Exception):
    """A frame announces more bytes than an answer may have; `length` says how many."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


class Channel:
    """Frames over a socket. `closed` is set once the other end is gone."""

    def __init__(self, endpoint: socket.socket, answer_bytes: int) -> None:
        endpoint.setblocking(False)
        self._socket = endpoint
        self._room = answer_bytes + HEADER_ROOM
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self.closed = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, frame: bytes) -> None:
        """Send what the socket takes now; the rest waits for `send_more`."""
        self._unsent = memoryview(frame)
        self.send_more()

    def send_more(self) -> None:
        """Send what the socket takes now."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = memoryview(b"")  # reading will tell what became of the other end

    @property
    def sending(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._unsent)

    @property
    def idle(self) -> bool:
        """Whether nothing is to be sent and nothing was received beyond the frames that were taken."""
        return not self._unsent and not self._received

    def receive(self) -> bytes | None:
        """The next blob, or None while it is incomplete. Raises wire.WireError or TooLarge as soon as its prefix is wrong."""
        while True:
            if (blob := self._take_blob()) is not None:
                return blob
            try:
                chunk = self._socket.recv(CHUNK)
            except BlockingIOError:
                return None
            except OSError:
                chunk = b""
            if not chunk:
                self.closed = True
                return None
            self._received += chunk

    def close(self) -> None:
        self._socket.close()

    def _take_blob(self) -> bytes | None:
        start = wire.PREFIX.size
        if len(self._received) < start:
            return None
        length = wire.read_prefix(bytes(self._received[:start]))
        if length > self._room:
            raise TooLarge(length)
        if len(self._received) < start + length:
            return None
        blob = bytes(memoryview(self._received)[start : start + length])
        del self._received[: start + length]
        return blob


class Output:
    """What a worker prints: read as it comes, counted, its last 64 KiB kept."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._tail = b""
        self.count = 0
        self.closed = False

    def fileno(self) -> int:
        return self._descriptor

    def drain(self) -> None:
        """Read what is there, at most a megabyte."""
        for _ in range(DRAINS if not self.closed else 0):
            try:
                chunk = os.read(self._descriptor, KEPT_OUTPUT)
            except BlockingIOError:
                return
            if not chunk:
                self.closed = True
                return
            self.count += len(chunk)
            self._tail = (self._tail + chunk)[-KEPT_OUTPUT:]

    def text(self) -> str:
        """The last 64 KiB, decoded."""
        return self._tail.decode("utf-8", "replace")

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor, self.closed = -1, True


class Report:
    """What the zygote tells about one worker: process id, pidfd and scratch folder, then its death. Closed without one: no zygote."""

    def __init__(self, endpoint: socket.socket) -> None:
        endpoint.setblocking(False)
        self._socket = endpoint
        self._received = b""
        self.pid: int | None = None
        self.pidfd: int | None = None
        self.scratch: str | None = None
        self.death: Death | None = None
        self.closed = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> None:
        """Take what was told since."""
        while not self.closed:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, 4096, 1)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            self.closed = not data
            if descriptors:
                self.pidfd = descriptors[0]
                os.set_inheritable(self.pidfd, False)
            *lines, self._received = (self._received + data).split(b"\n")
            for line in lines:
                self._note(json.loads(line))

    def close(self) -> None:
        self._socket.close()
        if self.pidfd is not None:
            with contextlib.suppress(OSError):
                os.close(self.pidfd)
            self.pidfd = None

    def _note(self, told: dict[str, Any]) -> None:
        if "pid" in told:
            self.pid, self.scratch = told["pid"], told["scratch"]
        else:
            self.death = Death(told["status"], told["cpu"], told["peak_memory"])
