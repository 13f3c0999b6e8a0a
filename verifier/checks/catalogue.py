"""The checks in the order in which they are asked; those that are plugged in come last."""

from collections.abc import Callable

from verifier import plugins
from verifier.checks import autograd, batch_additivity, contract, finite_difference, forward, purity, stability
from verifier.checks.examination import Examination, Finding, Unanswered
from verifier.checks.mlp import stages, unit_permutation, update

_CHECKS = (contract, forward, finite_difference, autograd, stages, update, purity, batch_additivity, unit_permutation, stability)
_SUMMARIES: dict[str, str] = {module.ID: module.SUMMARY for module in _CHECKS}


def check_ids() -> tuple[str, ...]:
    """Every check's id, in order."""
    return (*_SUMMARIES, *plugged_ids())


def plugged_ids() -> tuple[str, ...]:
    """Ids of the checks that other distributions plug in; one that is called like a check of ours is left out."""
    return tuple(name for name in plugins.plugged_in(plugins.CHECKS) if name not in _SUMMARIES)


def plugged_check(check: str) -> Callable[[Examination], Finding]:
    """The function of a check that is plugged in.

    Raises:
        HarnessError: it cannot be imported.
    """
    function = plugins.part_of(plugins.CHECKS, check, "check")
    asked: Callable[[Examination], Finding] = plugins.guarded(plugins.CHECKS, check, function, passed=Unanswered)
    return asked


def describe(check: str) -> str:
    """One line on what a check asks."""
    return _SUMMARIES.get(check) or f"plug-in {plugins.plugged_in(plugins.CHECKS)[check].value}"
