"""Candidates judged by a Dask cluster: each is a task, and a worker of the cluster judges it as `side_by_side` does on this machine.

A worker needs the same files at the same paths and the same versions; a task that finds others is a `HarnessError`, and no verdict. The
tasks of a worker that died go to another: what came of a candidate comes back once. The journal gets reports alone, since the outcomes of
checks stay where they were found. Whoever reaches the scheduler can run code on its workers: it belongs in a network of one's own, or
behind Dask's TLS.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

from verifier.candidates.discovery import Candidate
from verifier.candidates.own_files import digest_of
from verifier.errors import HarnessError, IsolationError, RequestError
from verifier.results.outcome import Outcome
from verifier.verification.bench import Setting
from verifier.verification.record import Judged, environment
from verifier.verification.side_by_side import SideBySide

CONNECT_SECONDS = 20
Answer = Judged | HarnessError | IsolationError


@dataclass(frozen=True)
class Errand:
    """What every task of a run is given. `ends`: when the run must be over, by the clock on the wall, which machines share."""

    run: str
    setting: Setting
    ends: float
    environment: Mapping[str, str]


class Cluster:
    """Deals candidates out to a Dask cluster; a context manager.

    Args:
        address: of its scheduler ("tcp://host:8786"), or the path of its scheduler file.
    Raises:
        RequestError: Dask is not installed, or no scheduler answers there.
    """

    def __init__(self, setting: Setting, address: str) -> None:
        self._dask = dask()
        place = {"address": address} if ":" in address else {"scheduler_file": _awaited(address)}
        try:
            self._client: Any = self._dask.Client(**place, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise RequestError(f"--dask {address}: no scheduler answers there ({error or type(error).__name__})") from None
        self._errand = Errand(token_hex(8), setting, setting.ends - time.monotonic() + time.time(), environment())

    def judge(
        self, candidates: Sequence[Candidate], found: Callable[[Candidate, Outcome], None]
    ) -> Iterator[tuple[int, Judged | HarnessError]]:
        """What came of each candidate, with its position, as it is finished."""
        futures = {}
        for position, candidate in enumerate(candidates):
            key = f"verifier-{self._errand.run}-{position}"
            futures[key] = self._client.submit(judge_here, self._errand, candidate, digest_of(candidate.own), key=key)
        positions = {key: position for position, key in enumerate(futures)}
        ended = self._dask.as_completed(list(futures.values()), loop=self._client.loop, raise_errors=False)
        for future in ended:
            answer = self._answer(future)
            if isinstance(answer, IsolationError):
                raise answer
            yield positions[future.key], answer
            del futures[future.key]  # the cluster forgets what nobody holds
            future.release()

    def _answer(self, future: Any) -> Answer:
        """What a task came to; one that could not be done (its workers died, or cannot import us) is the harness' failure."""
        try:
            answer: Answer = future.result()  # where its worker died in between, it is judged again
        except (Exception, self._dask.CancelledError) as error:
            return HarnessError(f"the cluster gave no answer: {type(error).__name__}: {error}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()  # what was not begun is not begun any more


def dask() -> Any:
    """Dask's distributed package. Raises RequestError where it is not installed."""
    try:
        return import_module("distributed")
    except ImportError:
        raise RequestError('--dask needs the extra "dask": pip install "backprop-verifier[dask]"') from None


def _awaited(file: str) -> str:
    """The scheduler file, which a scheduler that was just started has yet to write. Raises RequestError where it does not come."""
    ends = time.monotonic() + CONNECT_SECONDS
    while not os.path.isfile(file):
        if time.monotonic() > ends:
            raise RequestError(f"--dask {file}: there is no such scheduler file; an address is written as tcp://HOST:PORT")
        time.sleep(0.1)
    return file


def judge_here(errand: Errand, candidate: Candidate, expected: str) -> Answer:
    """A task, in a worker of the cluster: what comes of this candidate on this machine, where that is set up as the errand says."""
    try:
        here = environment()
        other = sorted(name for name in {*here, *errand.environment} if here.get(name) != errand.environment.get(name))
        if other:
            words = ", ".join(f"{name} {here.get(name, 'missing')} (here {errand.environment.get(name, 'missing')})" for name in other)
            return HarnessError(f"a worker of the cluster has other versions: {words}")
        if digest_of(candidate.own) != expected:
            return HarnessError("a worker of the cluster has not the same files at its path: share the folder with all machines")
        ((_, answer),) = _judges(errand).judge([candidate], lambda candidate, outcome: None)
        return answer
    except IsolationError as error:
        return error


_of_thread = threading.local()  # what a thread of a worker judges with, from one task to the next


def _judges(errand: Errand) -> SideBySide:
    """The process that judges for this thread: of its own, so that Dask's is left alone, and started once a run."""
    run, judges = getattr(_of_thread, "judges", ("", None))
    if judges is None or run != errand.run:
        if judges is not None:
            judges.__exit__()
        judges = SideBySide(replace(errand.setting, ends=errand.ends - time.time() + time.monotonic()), 1)
        _of_thread.judges = (errand.run, judges)
    result: SideBySide = judges
    return result
