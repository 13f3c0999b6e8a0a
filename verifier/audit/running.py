"""Running some of the collected tests, one after the other, as pytest would; and saying how each ended."""

import contextlib
import random
import sys
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pytest


class Ran(msgspec.Struct, frozen=True):
    """How one test ended: "passed", "failed" or "skipped"; what it said, and in what time."""

    test: str
    outcome: str
    seconds: float
    message: str = ""

    @property
    def failed(self) -> bool:
        """Whether the test failed, as it should under a mutation."""
        return self.outcome == "failed"


class _Reports:
    """Collects the reports of the test that runs."""

    def __init__(self) -> None:
        self.reports: list[Any] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        self.reports.append(report)


Around = Callable[[str], AbstractContextManager[None]]


class Runner:
    """Runs tests in this process.

    Args:
        send: is called when a test begins and how it ended, so that another process knows which one hangs or crashes.
        begin: called before each test.
        around: a context for each test, by its node id.
    """

    def __init__(
        self,
        items: Mapping[str, Any],
        tests: Sequence[str],
        send: Callable[[Mapping[str, Any]], None],
        *,
        salt: int = 0,
        begin: Callable[[str], None] = lambda test: None,
        around: Around | None = None,
    ) -> None:
        self._items, self._tests, self._send, self._salt = items, tests, send, salt
        self._begin, self._around = begin, around

    def all(self) -> None:
        """Every test, whatever the others did."""
        for test, after in zip(self._tests, [*self._tests[1:], None], strict=True):
            self._run(test, after)

    def until_one_fails(self) -> None:
        """The tests in order; the first that fails is the last. What fixtures hold is then let go."""
        for test, after in zip(self._tests, [*self._tests[1:], None], strict=True):
            if self._run(test, after).failed:
                with contextlib.suppress(BaseException):
                    self._items[test].session._setupstate.teardown_exact(None)
                return

    def one(self, test: str) -> Ran:
        """One test by itself, which can be run again."""
        return self._run(test, None)

    def _run(self, test: str, after: str | None) -> Ran:
        item, reports = self._items[test], _Reports()
        self._send({"began": test})
        seed(test, self._salt)
        self._begin(test)
        plugins, started = item.config.pluginmanager, time.perf_counter()
        plugins.register(reports, "verifier-audit-reports")
        try:
            with self._around(test) if self._around is not None else contextlib.nullcontext():
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None if after is None else self._items[after])
            ended = _ended(reports.reports)
        except (KeyboardInterrupt, SystemExit, pytest.exit.Exception) as error:
            ended = ("failed", f"{type(error).__name__}: {error}")
        finally:
            plugins.unregister(reports)
        ran = Ran(test, ended[0], time.perf_counter() - started, ended[1])
        self._send({"ended": msgspec.to_builtins(ran)})
        return ran


def _ended(reports: Sequence[Any]) -> tuple[str, str]:
    failed = next((report for report in reports if report.failed), None)
    if failed is not None:
        crash = getattr(failed.longrepr, "reprcrash", None)
        text = crash.message if crash is not None else str(failed.longrepr)
        return "failed", text.strip().partition("\n")[0][:200]
    return ("skipped" if any(report.skipped for report in reports) else "passed"), ""


def seed(name: str, salt: int) -> None:
    """Begin the random generators that are loaded, by the test's name: each test draws the same whoever ran before it."""
    number = zlib.crc32(f"{name} {salt}".encode())
    random.seed(number)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(number)
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(number)
