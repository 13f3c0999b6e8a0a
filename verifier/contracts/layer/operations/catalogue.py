"""The operations by name, those that other distributions plug in among them, and what else they are called."""

import difflib
from collections.abc import Mapping
from functools import cache

from verifier.contracts.layer.operations import activations, linear, losses, normalisation, recurrent, windows
from verifier.contracts.layer.operations.operation import Operation

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
    """The operation of this name or alias, or None."""
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    return operations().get(plain) or operations().get(aliases().get(plain, ""))


def near(name: str) -> str:
    """The known name or alias next to this one, or ""."""
    known = [*operations(), *aliases()]
    return next(iter(difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)), "")
