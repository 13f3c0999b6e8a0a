"""The checks in the order in which they are asked."""

from verifier.checks import (
    autograd,
    batch_additivity,
    contract,
    finite_difference,
    forward,
    purity,
    stability,
    stages,
    unit_permutation,
    update,
)

_CHECKS = (contract, forward, finite_difference, autograd, stages, update, purity, batch_additivity, unit_permutation, stability)
_SUMMARIES: dict[str, str] = {module.ID: module.SUMMARY for module in _CHECKS}


def check_ids() -> tuple[str, ...]:
    """Every check's id, in order."""
    return tuple(_SUMMARIES)


def describe(check: str) -> str:
    """One line on what a check asks."""
    return _SUMMARIES[check]
