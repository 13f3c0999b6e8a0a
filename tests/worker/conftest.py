"""A real zygote for all tests of this folder, and workers for candidates written in the test."""

import textwrap
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from verifier.candidates.limits import Limits
from verifier.candidates.session import Answer, Session, Target
from verifier.candidates.zygote import Zygote


class Worker:
    """A session with shorter ways to ask; without a call it asks for `backprop()`."""

    def __init__(self, session: Session) -> None:
        self.session, self.hello, self.printed = session, session.hello, session.printed
        self.pid, self.scratch = session._report.pid, session._report.scratch

    def ask(self, *calls: dict, put: dict | None = None, arrays: dict | None = None) -> Answer:
        whole = [{"function": "backprop", "arguments": [], "form": "array", **call} for call in calls or ({},)]
        return self.session.ask({"put": put or {}, "calls": whole}, arrays or {})

    def reply(self, *calls: dict, **sent: dict) -> dict:
        """The reply to the last call."""
        return self.ask(*calls, **sent).message["results"][-1]

    def value(self, *calls: dict, **sent: dict) -> np.ndarray:
        """The array that the last call returned, asked for in the form "array"."""
        answer = self.ask(*calls, **sent)
        return answer.arrays[answer.message["results"][-1]["form"]]


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote(isolation="auto") as started:
        yield started


@pytest.fixture
def start(zygote, tmp_path) -> Iterator[Callable[..., Worker]]:
    """Start a worker for a candidate's source; it may read its own file, or, as a folder, what lies beside it."""
    workers = []

    def start_worker(source: str, *, entry: str = "backprop", folder: bool = False, zygote: Zygote = zygote, **limits: float) -> Worker:
        file = tmp_path / f"candidate{len(workers)}.py"
        file.write_text(textwrap.dedent(source), encoding="utf-8")
        target = Target(file, tmp_path if folder else None, (tmp_path if folder else file,), entry=entry)
        session = zygote.start(target, Limits(**{"wall_seconds": 5.0, **limits}))
        workers.append(Worker(session))
        return workers[-1]

    yield start_worker
    for worker in workers:
        worker.session.close()


@pytest.fixture
def attempt(start) -> Callable[..., dict]:
    """Run some lines inside a confined worker; what they raised, or {} where they passed."""

    def run(lines: str, **limits: float) -> dict:
        body = textwrap.indent(textwrap.dedent(lines).strip(), "    ")
        return start(f"import os\ndef backprop():\n{body}\n", **limits).reply().get("raised", {})

    return run
