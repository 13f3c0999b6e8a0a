"""Several workers of one candidate, each asked in a thread of its own: while one computes, the answers of the others are judged.

What is asked in which lane is settled beforehand and does not depend on the machine, so that a candidate that keeps something between
calls is asked the same in every run.
"""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Self, TypeVar

from verifier.verification.exchanging import Exchanging

MOST = 2  # a candidate's limits hold for each
SWITCH_SECONDS = (
    0.0005  # whoever has an answer waits so long for a thread that computes; Python's own 5 ms are longer than most answers take
)
Found = TypeVar("Found")


class Lanes:
    """A context manager; where an error ends it, what is still asked is given up.

    Args:
        workers: one for each lane; no other thread asks them from now on.
    """

    def __init__(self, workers: Sequence[Exchanging]) -> None:
        self._workers = tuple(workers)
        self._threads = [ThreadPoolExecutor(1, "lane") for _ in workers]
        self._switched = sys.getswitchinterval()

    def __enter__(self) -> Self:
        sys.setswitchinterval(SWITCH_SECONDS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for thread, worker in zip(self._threads, self._workers, strict=True):
            thread.shutdown(wait=False, cancel_futures=True)
            if error is not None:
                worker.abandon()
        for thread in self._threads:
            thread.shutdown()
        sys.setswitchinterval(self._switched)

    def ask(self, lane: int, task: Callable[[Exchanging], Found]) -> "Future[Found]":
        """Do something with the worker of a lane, after what it was told before; np.errstate is the caller's."""
        return self._threads[lane].submit(copy_context().run, task, self._workers[lane])


def dealt_out(weights: Sequence[float], lanes: int) -> list[int]:
    """The lane of each task, in order: the one that has the least to do so far."""
    loads, found = [0.0] * lanes, []
    for weight in weights:
        lane = loads.index(min(loads))
        loads[lane] += weight
        found.append(lane)
    return found
