"""All hand-written backward passes of a project, however they are made known."""

import importlib
import pkgutil
import sys

from verifier.audit.finding import hips, jax_functions, patterns, torch_functions
from verifier.audit.finding.passages import Passage, Scope, selected


def find_passages(scope: Scope, *, backward: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> list[Passage]:
    """By name, each once.

    Args:
        backward: patterns of functions and methods that are nobody's API.
        only: patterns of the names that are kept.
    """
    if scope.package is not None:
        _load(scope.package)
    found: dict[str, Passage] = {}
    for passage in (
        *torch_functions.find(scope),
        *hips.find(scope),
        *jax_functions.find(scope),
        *patterns.find(scope, backward),
    ):
        found.setdefault(passage.name, passage)
    return [found[name] for name in sorted(found) if selected(name, only)]


def _load(packages: str) -> None:
    """Every module of the packages, where it can be imported: what tests import only while they run is found too."""
    for package in packages.split(","):
        module = sys.modules.get(package)
        if module is None:
            try:
                module = importlib.import_module(package)
            except Exception:  # the project's own code: whatever it raises, there is nothing to find in it
                continue
        for one in pkgutil.walk_packages(getattr(module, "__path__", []), f"{package}.", onerror=lambda name: None):
            if one.name in sys.modules or one.name.rpartition(".")[2].startswith("__"):
                continue
            try:
                importlib.import_module(one.name)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
