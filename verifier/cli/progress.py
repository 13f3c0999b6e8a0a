"""How far a long run is, on stderr, where somebody looks at it."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from verifier.reports.untrusted import one_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

QUIET_SECONDS = 1.0  # a run that ends sooner shows no bar
BETWEEN_UPDATES = 0.1  # seconds


class ProgressBar:
    """A progress callback `(what, done, total)`: a bar while the run is long and stderr is a terminal, else nothing.

    The bar is drawn by whoever calls it, without a thread, and disappears at the end.
    """

    def __init__(self) -> None:
        self._wanted = sys.stderr.isatty()
        self._started = time.monotonic()
        self._updated = 0.0
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `what` are done."""
        now = time.monotonic()
        if not self._wanted or now - self._started < QUIET_SECONDS or (now - self._updated < BETWEEN_UPDATES and done < total):
            return
        self._updated = now
        if self._bar is None or self._task is None:
            self._bar, self._task = _open_bar()
        self._bar.update(self._task, description=one_line(what, 60), completed=done, total=max(total, 1))
        self._bar.refresh()

    def clear(self) -> None:
        """Take the bar away, so that something else can be printed; the next call draws it again."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.clear()


def _open_bar() -> tuple[Progress, TaskID]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from verifier.reports.terminal import open_console

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    console = open_console(stderr=True)
    # Without redirection: what goes to stdout must stay on stdout.
    bar = Progress(*columns, console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
    bar.start()
    return bar, bar.add_task("", total=1)
