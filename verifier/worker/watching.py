"""A function that a hook of Python's looks at while it runs: a trace function, or a profile function."""

import threading
from collections.abc import Callable
from sys import getprofile, gettrace, setprofile, settrace  # by name: a candidate may replace them
from typing import Any

Watched = Callable[..., Any]


def traced(function: Watched, hook: Callable[..., Any], taken_away: Callable[[], None] = lambda: None) -> Watched:
    """The function, with this trace function, in threads that it starts too; `taken_away` is called where it ends with another one."""

    def install(hook: Callable[..., Any] | None) -> None:
        settrace(hook)
        threading.settrace(hook)

    return _hooked(function, hook, gettrace, install, taken_away)


def profiled(function: Watched, hook: Callable[..., Any]) -> Watched:
    """The function, with this profile function."""
    return _hooked(function, hook, getprofile, setprofile, lambda: None)


def _hooked(
    function: Watched,
    hook: Callable[..., Any],
    installed: Callable[[], Any],
    install: Callable[[Any], None],
    taken_away: Callable[[], None],
) -> Watched:
    def watched(*arguments: Any, **keywords: Any) -> Any:
        before = installed()
        install(hook)
        try:
            return function(*arguments, **keywords)
        finally:
            if installed() is not hook:
                taken_away()
            install(before)

    return watched
