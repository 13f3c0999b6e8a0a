"""What an audit found, as plain data: the one source of every format."""

from typing import Any, Literal

import msgspec

Outcome = Literal["noticed", "never-shown", "not-noticed", "not-reached"]
FINDINGS: tuple[Outcome, ...] = ("not-noticed", "never-shown", "not-reached")
SCHEMA_VERSION = 1


class Mutant(msgspec.Struct, frozen=True):
    """One mistake in one gradient of a pass, and what became of it.

    Attributes:
        output: the gradient, by the input that it belongs to; "every output" where the cotangent was mistaken.
        mutant: the mutation's id; `summary` says what it does.
        test: the first test that noticed; it `said` why.
        shown_by: what an input or a use must have to show it.
    """

    output: str
    mutant: str
    outcome: Outcome
    test: str | None = None
    seconds: float = 0.0
    summary: str = ""
    said: str = ""
    shown_by: str = ""


class Proposal(msgspec.Struct, frozen=True):
    """A test that passes on the code as it is and fails with these mutants, (output, mutant): it was run once with each."""

    source: str
    notices: tuple[tuple[str, str], ...]


class Function(msgspec.Struct, frozen=True):
    """One hand-written backward pass.

    Attributes:
        tests: node ids of those that reach it.
        calls: how often they did, together, in how many `seconds`.
        resolution: the smallest ε for which some test notices gradients 1 + ε times too large; None where none notices a factor of 2.
        resolutions: by test.
        rounding: what its own gradients wander, relative to their largest element, where inputs and cotangents move by their last bits.
        facts: what the tests showed: shapes, dtypes, layouts, cotangents, batches, ranks, values, sizes, options.
        never_varied: sentences about what they never vary.
        proposals: tests that would notice.
        unproposed: why there is no test for what is still not noticed.
    """

    name: str
    kind: str
    file: str = ""
    line: int = 0
    tests: tuple[str, ...] = ()
    calls: int = 0
    seconds: float = 0.0
    resolution: float | None = None
    resolutions: dict[str, float | None] = {}
    rounding: float | None = None
    facts: dict[str, Any] = {}
    never_varied: tuple[str, ...] = ()
    mutants: tuple[Mutant, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    unproposed: str = ""

    def count(self, outcome: Outcome) -> int:
        """How many of its mutants ended so."""
        return sum(mutant.outcome == outcome for mutant in self.mutants)


class Audit(msgspec.Struct, frozen=True):
    """The whole audit.

    Attributes:
        not_asked: (function, output, mutant) that the limit in time left out, in their order.
        flaky: tests that pass and fail without any mutant: then nothing was decided.
        failing: tests that fail without any mutant.
        kept: how many outcomes were those of an earlier run.
        seconds, processor_seconds: of the whole, and of it the recording run in `recording_seconds`.
    """

    functions: tuple[Function, ...] = ()
    tests: int = 0
    not_asked: tuple[tuple[str, str, str], ...] = ()
    flaky: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    kept: int = 0
    forked: bool = True
    why_fresh: str = ""
    recording_seconds: float = 0.0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    versions: dict[str, str] = {}
    command: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def mutants(self) -> list[tuple[Function, Mutant]]:
        """Every mutant with its function, in the order of the report."""
        return [(function, mutant) for function in self.functions for mutant in function.mutants]

    def count(self, outcome: Outcome) -> int:
        """How many mutants of all functions have this outcome."""
        return sum(function.count(outcome) for function in self.functions)

    @property
    def percent(self) -> float:
        """Of all mutants that were asked about, those that are noticed; 100 where there is none."""
        return 100.0 * self.count("noticed") / len(self.mutants) if self.mutants else 100.0
