"""A function that a hook of Python's looks at while it runs: a trace function, or a profile function."""

import sys
from collections.abc import Callable
from typing import Any

Watched = Callable[..., Any]


def traced(function: Watched, hook: Callable[..., Any]) -> Watched:
    """The function, with this trace function."""
    return _hooked(function, hook, sys.gettrace, sys.settrace)


def profiled(function: Watched, hook: Callable[..., Any]) -> Watched:
    """The function, with this profile function."""
    return _hooked(function, hook, sys.getprofile, sys.setprofile)


def _hooked(function: Watched, hook: Callable[..., Any], installed: Callable[[], Any], install: Callable[[Any], None]) -> Watched:
    def watched(*arguments: Any, **keywords: Any) -> Any:
        before = installed()
        install(hook)
        try:
            return function(*arguments, **keywords)
        finally:
            install(before)

    return watched
