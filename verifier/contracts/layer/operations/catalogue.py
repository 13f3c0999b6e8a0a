"""The operations by name, those that other distributions plug in among them, and what else they are called."""

import difflib
from collections.abc import Mapping
from functools import cache

from verifier import plugins
from verifier.contracts.layer.operations import activations, linear, losses, normalisation, recurrent, windows
from verifier.contracts.layer.operations.operation import Operation

PLUGGED = "layer_operation"  # what a plug-in's module calls its `Operation`
_OURS = (linear, activations, windows, normalisation, losses, recurrent)


@cache
def operations() -> Mapping[str, Operation]:
    """Every operation by its name."""
    return {entry.name: entry for module in _OURS for entry in module.OPERATIONS}


@cache
def aliases() -> Mapping[str, str]:
    """What courses and libraries call them -> their names."""
    return {alias: entry.name for entry in operations().values() for alias in entry.aliases}


def find(name: str) -> Operation | None:
    """The operation of this name or alias, one that is plugged in among them, or None.

    Raises:
        HarnessError: the plug-in cannot be imported, or has no `layer_operation`.
    """
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    found = operations().get(plain) or operations().get(aliases().get(plain, ""))
    if found is None and name in plugins.plugged_in(plugins.OPERATIONS):
        entry: Operation = plugins.part_of(plugins.OPERATIONS, name, PLUGGED)
        return entry
    return found


def near(name: str) -> str:
    """The known name or alias next to this one, or ""."""
    known = [*operations(), *aliases()]
    return next(iter(difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)), "")
