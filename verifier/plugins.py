"""What other distributions plug in, by entry points; docs/plugins.md says what each group takes. Listing them imports none.

Plug-ins are trusted code in the harness's own process: whoever installs one decides that, as with a plug-in of pytest.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module, metadata
from typing import Any

from verifier.errors import HarnessError

CHECKS = "verifier.checks"
CONTRACTS = "verifier.contracts"
OPERATIONS = "verifier.operations"
REPORTS = "verifier.reports"


@cache
def plugged_in(group: str) -> Mapping[str, metadata.EntryPoint]:
    """The entry points of a group by name, sorted; of two with one name the first that is on the import path."""
    found: dict[str, metadata.EntryPoint] = {}
    for point in metadata.entry_points(group=group):
        found.setdefault(point.name, point)
    return dict(sorted(found.items()))


def part_of(group: str, name: str, part: str) -> Any:
    """An attribute of the module that is plugged in under this name.

    Raises:
        HarnessError: the module cannot be imported, or has no such attribute.
    """
    value = plugged_in(group)[name].value
    try:
        return getattr(import_module(value), part)
    except Exception as error:
        raise HarnessError(f"the plug-in {name!r} ({group}: {value}) cannot be used: {type(error).__name__}: {error}") from error


def guarded(group: str, name: str, function: Callable[..., Any], passed: type[Exception] | tuple[type[Exception], ...] = ()) -> Any:
    """The plug-in's function; what it raises, but for `passed`, names the plug-in."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except passed:
            raise
        except Exception as error:
            raise HarnessError(f"the plug-in {name!r} ({group}) broke: {type(error).__name__}: {error}") from error

    return call


def versions_of(group: str) -> dict[str, str]:
    """The plug-ins of a group with their distributions' versions, for the key of whatever is kept."""
    return {name: f"{point.value} {point.dist.version if point.dist else ''}".strip() for name, point in plugged_in(group).items()}
