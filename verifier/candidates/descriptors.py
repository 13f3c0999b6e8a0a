"""The three descriptors that lead to a worker, each read without ever blocking: its channel, its output, the zygote's report about it."""

import contextlib
import json
import os
import socket
from dataclasses import dataclass
from typing import Any

from verifier import wire

CHUNK = 1 << 17  # larger ones would be mapped again each time
KEPT_OUTPUT = 64 << 10
DRAINS = 16  # reads in one go: a flood must not keep the referee from its clock
HEADER_ROOM = wire.HEADER_BYTES + 16


@dataclass(frozen=True)
class Death:
    """What the kernel reported about a dead worker: its wait status, CPU time in seconds and peak memory in bytes."""

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
        self._prefix = bytearray()
        self._blob = bytearray()
        self._length = 0
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
            self._unsent = memoryview(b"")  # an empty view of the frame would keep all of it
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
        """Whether all was sent, and nothing is there to be received."""
        try:
            return not self._unsent and not self._prefix and not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return True

    def receive(self) -> bytearray | None:
        """The next blob, or None while it is incomplete. Raises wire.WireError or TooLarge as soon as its prefix is wrong."""
        if len(self._prefix) < wire.PREFIX.size:
            if not self._fill(self._prefix, wire.PREFIX.size):
                return None
            self._length = wire.read_prefix(bytes(self._prefix))
            if self._length > self._room:
                raise TooLarge(self._length)
        if not self._fill(self._blob, self._length):
            return None
        blob = self._blob
        self._prefix, self._blob = bytearray(), bytearray()
        return blob

    def close(self) -> None:
        self._socket.close()

    def _fill(self, buffer: bytearray, length: int) -> bool:
        """Receive into the buffer until it has this length; whether it has. What was announced takes memory only as it arrives."""
        while len(buffer) < length:
            try:
                chunk = self._socket.recv(min(length - len(buffer), CHUNK))
            except BlockingIOError:
                return False
            except OSError:
                chunk = b""
            if not chunk:
                self.closed = True
                return False
            buffer += chunk
        return True


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
        """Take what was reported since."""
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

    def _note(self, report: dict[str, Any]) -> None:
        if "pid" in report:
            self.pid, self.scratch = report["pid"], report["scratch"]
        else:
            self.death = Death(report["status"], report["cpu"], report["peak_memory"])
