"""The checks in the order in which they are asked; those that are plugged in come last."""

from dataclasses import replace

from verifier import plugins
from verifier.checks import autograd, batch_additivity, contract, finite_difference, forward, purity, stability
from verifier.checks.check import Check
from verifier.checks.examination import Unanswered
from verifier.checks.mlp import stages, unit_permutation, update
from verifier.errors import HarnessError

_OURS = {
    module.CHECK.id: module.CHECK
    for module in (contract, forward, finite_difference, autograd, stages, update, purity, batch_additivity, unit_permutation, stability)
}


OUR_IDS = tuple(_OURS)


def check_ids() -> tuple[str, ...]:
    """Every check's id, in the order in which they are asked."""
    return (*_OURS, *_plugged_ids())


def check_of(check: str) -> Check:
    """The check with this id.

    Raises:
        HarnessError: it is plugged in, and cannot be imported or has no record.
    """
    return _OURS[check] if check in _OURS else _plugged(check)


def describe(check: str) -> str:
    """One line on what a check asks; a plugged-in one is not imported for it."""
    return _OURS[check].summary if check in _OURS else f"plug-in {plugins.plugged_in(plugins.CHECKS)[check].value}"


def _plugged_ids() -> tuple[str, ...]:
    """Ids of the checks that other distributions plug in; one that is called like a check of ours is left out."""
    return tuple(name for name in plugins.plugged_in(plugins.CHECKS) if name not in _OURS)


def _plugged(name: str) -> Check:
    record = plugins.part_of(plugins.CHECKS, name, "CHECK")
    if not isinstance(record, Check) or record.ask is None or record.id != name:
        raise HarnessError(f"the plug-in {name!r} ({plugins.CHECKS}): its CHECK must be a Check with the id {name!r} and a function to ask")
    return replace(record, ask=plugins.guarded(plugins.CHECKS, name, record.ask, passed=Unanswered))
