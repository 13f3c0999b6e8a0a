"""What a contract is: the keys of its manifest, what they claim, and the module that judges a candidate by them.

A contract is one folder here and one line in `catalogue`. It judges by a module of its own (in `verification`, or in a distribution that
plugs the contract in), which is named by its dotted path and imported when a candidate is judged: contracts lie below it.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from verifier.contracts.keys import Key


class Claims(Hashable, Protocol):
    """What a manifest claims, read: equal claims are judged on the same problems."""

    def as_manifest(self, *, defaults: bool = False) -> dict[str, Any]:
        """The keys that say this, as plain data for a report; with those that are as by default where `defaults`."""


@dataclass(frozen=True)
class Contract:
    """A way in which candidates are called.

    Attributes:
        id: its name in manifests and reports.
        summary: one line on the code that it is for.
        keys: what a manifest may say, beside the keys of every candidate; each reads one value.
        claims_from: the claims that a table of these keys makes; raises TableError.
        judging: dotted path of the module that judges by it: `judge(run, candidate, found) -> Judged`, and
            `replay(run, problem, file, candidate) -> Judged` for one stored problem (`verification.record.Run`).
        candidates_own: keys that a candidate may say although an assignment fixes the rest (its layout).
        to_be_allowed: of these, values that hide a kind of mistake, so that a candidate may say them only where the assignment allows it.
        entry: the function that is asked where the manifest names none.
        recognised: the keys that a Python file without a manifest is judged by, from its text; None where it is nothing of this contract's.
    """

    id: str
    summary: str
    keys: Mapping[str, Key]
    claims_from: Callable[[Mapping[str, Any]], Claims]
    judging: str
    candidates_own: tuple[str, ...] = ()
    to_be_allowed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    entry: str = "backprop"
    recognised: Callable[[str], Mapping[str, Any] | None] | None = None
