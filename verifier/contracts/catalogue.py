"""The contracts by name: ours, then those that other distributions plug in. One is imported when it is asked for."""

from collections.abc import Collection
from functools import cache
from importlib import import_module

from verifier import plugins
from verifier.contracts.calling import Calling
from verifier.contracts.contract import Contract
from verifier.contracts.family import Family
from verifier.errors import HarnessError

DEFAULT = "mlp"  # of a file that does not say

_OURS = {
    "mlp": "verifier.contracts.mlp.contract",
    "layer": "verifier.contracts.layer.contract",
    "engine": "verifier.contracts.engine.contract",
    "reference": "verifier.contracts.reference.contract",
}


def contract_ids() -> tuple[str, ...]:
    """Every contract's name; none is imported."""
    return (*_OURS, *(name for name in plugins.plugged_in(plugins.CONTRACTS) if name not in _OURS))


def contract_by_keys(keys: Collection[str]) -> str:
    """The contract of a manifest that names none: the one that alone knows all of its keys, such as `preset`; else the default."""
    fits = [] if knows(DEFAULT, keys) else [one for one in contract_ids() if knows(one, keys)]
    return fits[0] if len(fits) == 1 else DEFAULT


def knows(name: str, keys: Collection[str]) -> bool:
    """Whether a contract has all of these keys."""
    return all(key in contract_of(name).keys for key in keys)


def family_of(name: str) -> Family:
    """The problems of this contract. Raises HarnessError where they are no programs."""
    family = contract_of(name).family
    if family is None:
        raise HarnessError(f"the contract {name!r} has no family of problems")
    return family


def calling_of(name: str) -> Calling:
    """How problems of this contract are put to a candidate. Raises HarnessError where they are no programs."""
    calling = contract_of(name).calling
    if calling is None:
        raise HarnessError(f"the contract {name!r} does not say how a candidate is called")
    return calling


@cache
def contract_of(name: str) -> Contract:
    """The contract of this name.

    Raises:
        HarnessError: it is plugged in, and cannot be imported or has no record.
    """
    if name in _OURS:
        ours: Contract = import_module(_OURS[name]).CONTRACT
        return ours
    record = plugins.part_of(plugins.CONTRACTS, name, "CONTRACT")
    if not isinstance(record, Contract) or record.id != name:
        raise HarnessError(f"the plug-in {name!r} ({plugins.CONTRACTS}): its CONTRACT must be a Contract with the id {name!r}")
    return record
