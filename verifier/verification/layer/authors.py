"""The functions that an assignment names as references of layers, each in a process of its own while its layer is judged."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.arrays import Array
from verifier.candidates.limits import Limits
from verifier.checks.examination import Unanswered
from verifier.checks.layer.beside_author import AskAuthor
from verifier.contracts.layer.claims import LayerClaims
from verifier.verification.channel import Channel

COMMAND = (sys.executable, "-P", "-m", "verifier.oracles.layer_operations.authors")


@dataclass(frozen=True)
class Authors:
    """Asks them. `folder`: that of the assignment; "" where there is none, and then nobody is asked."""

    folder: str
    limits: Limits

    @contextmanager
    def of(self, layer: LayerClaims) -> Iterator[AskAuthor | None]:
        """A way to ask a layer's reference; None where it has none."""
        if not layer.reference or not self.folder:
            yield None
            return
        # Not in the assignment's folder: what Python finds there must not be imported, a submission may lie there.
        with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield _Author(layer, self.folder, Channel(process, time.monotonic() + self.limits.all_wall_seconds)).ask
            finally:
                process.kill()


class _Author:
    """One reference. It is asked for the names of its parameters before the first point."""

    def __init__(self, layer: LayerClaims, folder: str, channel: Channel) -> None:
        self._layer, self._channel, self._folder = layer, channel, folder
        self._named: frozenset[str] | None = None

    def ask(self, message: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """The answer at one point. Raises Unanswered where there is none, which is for whoever wrote the assignment to mend."""
        known = {name.removeprefix("array ") for name in arrays if name.startswith("array ")} | set(message["values"])
        named = self._parameters(known)
        given = {name: array for name, array in arrays.items() if not name.startswith("array ") or name.removeprefix("array ") in named}
        values = {name: value for name, value in message["values"].items() if name in named}
        taken = [name for name in message["gradients"] if name in named]
        return self._exchange({**message, "values": values, "gradients": taken}, given)

    def _parameters(self, known: set[str]) -> frozenset[str]:
        if self._named is None:
            file, _, function = self._layer.reference.rpartition(":")
            answer, _ = self._exchange({"file": str(Path(self._folder) / file), "function": function}, {})
            unknown = [name for name in answer["needed"] if name not in known]
            if unknown:
                there = ", ".join(sorted(known))
                raise self._unusable(f"takes {unknown[0]}, which is no array, size or option of the assignment; there are {there}.")
            self._named = frozenset(answer["named"])
        return self._named

    def _exchange(self, message: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        self._channel.send(message, arrays)
        answer, back = self._channel.receive()
        if "raised" in answer:
            raise self._unusable(f"cannot be asked: {answer['raised']}")
        return answer, back

    def _unusable(self, says: str) -> Unanswered:
        return Unanswered(f"The assignment's reference {self._layer.reference} {says}", fatal=True)
