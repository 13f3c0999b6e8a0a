"""What a contract is: the keys of its manifest, what they claim, its problems, and how a candidate is called with them.

A contract is one folder here, or in a distribution that plugs it in, and one line in `catalogue` or an entry point. Whatever lies above the
contracts and serves one alone is named by its dotted path, and imported when it is needed.
"""

import ast
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from verifier.contracts.calling import Calling
from verifier.contracts.family import Family
from verifier.contracts.keys import Key
from verifier.contracts.proposal import Proposal


class Claims(Hashable, Protocol):
    """What a manifest claims, read: equal claims are judged on the same problems."""

    @property
    def contract(self) -> str:
        """The contract's name."""

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
            `replay(run, problem, file, candidate) -> Judged` for one stored problem (`verification.record.Run`). By default the checks
            are asked about problems of its family.
        family: its problems, where they are programs of named operations.
        calling: how these are put to a candidate.
        offers: what checks may need (`checks.check.Check.needs`): "gradients", "loss", "outputs", "batch", and what a contract of one's own
            checks calls it.
        explaining: dotted path of the module that explains a failure (`verification.explaining.Explaining`); "" where there is none.
        costing: dotted path of the module that tells from counts what a gradient costs (`checks.mlp.effort`); "" where there is none.
        starting: the text of a file to start from, for the claims of a table; raises TableError.
        candidates_own: keys that a candidate may say although an assignment fixes the rest (its layout).
        to_be_allowed: of these, values that hide a kind of mistake, so that a candidate may say them only where the assignment allows it.
        entry: the function that is asked where the manifest names none.
        asks_for: the names that a file must define some of to be judged by these claims, where that is not the entry alone.
        left_open: by these claims, what a candidate may leave out and is then not asked about: "layers"; "" where it may leave out nothing.
        references: by these claims, the files of whoever judges that hold right answers; only an assignment may name some.
        adapters: presets that are files: each is asked in place of a folder's own, and imports what lies there.
        presets: other presets, by name what it is for and its text, in the form of an assignment.
        seen_in: a clause about what of its kind the text of a Python file defines; "" where there is nothing. The text is only searched.
        proposed: what a user's own file, parsed, could begin and end with to be judged by it; None where it has nothing of its kind.
        recognised: the keys that a Python file without a manifest is judged by, from its text; None where it is nothing of this contract's.
    """

    id: str
    summary: str
    keys: Mapping[str, Key]
    claims_from: Callable[[Mapping[str, Any]], Claims]
    judging: str = "verifier.verification.programs"
    family: Family | None = None
    calling: Calling | None = None
    offers: frozenset[str] = frozenset({"gradients", "loss", "outputs"})
    explaining: str = ""
    costing: str = ""
    starting: Callable[[Mapping[str, Any]], str] | None = None
    candidates_own: tuple[str, ...] = ()
    to_be_allowed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    entry: str = "backprop"
    asks_for: Callable[[Any], Collection[str]] | None = None
    left_open: Callable[[Any], str] = lambda claims: ""
    references: Callable[[Any], tuple[str, ...]] = lambda claims: ()
    adapters: Mapping[str, Path] = field(default_factory=dict)
    presets: Callable[[], Mapping[str, tuple[str, str]]] = dict
    recognised: Callable[[str], Mapping[str, Any] | None] | None = None
    seen_in: Callable[[str], str] = lambda source: ""
    proposed: Callable[[ast.Module], Proposal | None] = lambda tree: None
