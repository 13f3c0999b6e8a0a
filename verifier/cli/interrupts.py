"""SIGINT and SIGTERM as exceptions that cannot get lost.

Python drops an exception that a signal raises inside a finaliser, a weak reference's or the garbage collector's callback (Hypothesis has
one), prints that it did, and the run would go on as if nothing had been asked. So nothing is printed, and a clock raises it again until
somebody handles it.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType

AGAIN_SECONDS = 0.25


class Terminated(KeyboardInterrupt):
    """SIGTERM: the run ends as by Ctrl-C, so that its workers and the progress bar are cleared away."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within this, SIGINT raises KeyboardInterrupt and SIGTERM Terminated in the main thread, once; both until it is handled."""
    asked: list[type[KeyboardInterrupt]] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        asked.append(Terminated if number == signal.SIGTERM else KeyboardInterrupt)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS, AGAIN_SECONDS)
        raise asked[-1]

    def remind(number: int, frame: FrameType | None) -> None:
        if asked and not _is_being_handled(sys.exc_info()[1]):
            raise asked[-1]

    def unraisable(dropped: "sys.UnraisableHookArgs") -> None:
        if not (asked and issubclass(dropped.exc_type, KeyboardInterrupt)):
            said(dropped)

    handlers = {signal.SIGINT: interrupt, signal.SIGTERM: interrupt, signal.SIGALRM: remind}
    try:
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    except ValueError:  # not the main thread: signals are somebody else's
        yield
        return
    said, sys.unraisablehook = sys.unraisablehook, unraisable
    try:
        yield
    finally:
        sys.unraisablehook = said
        asked.clear()
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_being_handled(error: BaseException | None) -> bool:
    """Whether an interrupt is on its way already: what runs now, runs to clear up."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
