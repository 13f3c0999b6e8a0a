"""The record of a check: what it asks, what it needs for that, and how its failure ranks among others."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from verifier.checks.examination import Examination, Finding

Ask = Callable[[Examination], Finding]


@dataclass(frozen=True)
class Size:
    """What the price of a check depends on: networks, how many of them are differenced, how many where a few do, samples of a batch, …

    `functions`: what the candidate has.
    """

    networks: int
    differences: int
    few: int
    batch: float
    every_tensor: bool
    functions: Collection[str]


@dataclass(frozen=True)
class Check:
    """One question put to a candidate.

    Attributes:
        id: its name in reports and on the command line.
        summary: one line on what it asks.
        ask: asks it; None for `contract`, which is answered while the problems are asked for the first time.
        needs: what a contract must offer for the check to apply; see `contracts.contract.Contract.offers`.
        headline: rank of its failure as the headline of a report, 0 first: the failure that causes the others leads.
        shrinkable: whether it can be asked about one problem alone, so that a smaller failing problem can be searched for.
        functions: optional functions of the candidate that it asks about every ordinary problem.
        calls: about how many more calls it makes of a candidate that is right; see `verification.pacing`.
    """

    id: str
    summary: str
    ask: Ask | None
    needs: frozenset[str] = frozenset()
    headline: int = 100
    shrinkable: bool = False
    functions: tuple[str, ...] = ()
    calls: Callable[[Size], float] = lambda size: 0.0
