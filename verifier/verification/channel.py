"""Frames to and from a process that holds code of whoever judges, until a moment."""

import os
import select
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from verifier import wire
from verifier.arrays import Array
from verifier.checks.examination import Unanswered
from verifier.errors import HarnessError


class Channel:
    """Frames to and from such a process.

    Args:
        process: it reads frames from its stdin, and writes them to its stdout.
        ends: the moment, on the monotonic clock, after which no answer is waited for.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", ends: float) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._to, self._from, self._ends = process.stdin, process.stdout.fileno(), ends

    def send(self, message: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Write one frame."""
        try:
            self._to.write(wire.encode(message, arrays))
            self._to.flush()
        except BrokenPipeError:
            raise HarnessError("the reference's process ended") from None

    def receive(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Read one frame. Raises Unanswered where none comes in time."""
        return wire.decode_blob(self._exactly(wire.read_prefix(self._exactly(wire.PREFIX.size))))

    def _exactly(self, length: int) -> bytes:
        held = b""
        while len(held) < length:
            ready = select.select([self._from], [], [], max(0.0, self._ends - time.monotonic()))[0]
            if not ready:
                raise Unanswered("the reference took longer than all_wall_seconds.", fatal=True)
            part = os.read(self._from, length - len(held))
            if not part:
                raise HarnessError("the reference's process ended without an answer")
            held += part
        return held
