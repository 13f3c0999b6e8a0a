"""Which mutants are asked about, and what the recording already answers: pure, from facts to a list in a fixed order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from verifier.audit.jobs import Job
from verifier.audit.mutations import CATALOGUE, Mutation, unusual
from verifier.audit.recording import EVERY, Facts
from verifier.audit.results import Mutant, Outcome

FIRST = "gradient"  # what the gradient of a pass is called that nobody has called
NEEDS_NUMBERS = frozenset(
    {"where-negative", "where-large", "at-zeros", "at-ties", "nan-at-zero", "previous-call", "added-to-previous", "narrower", "times-batch"}
    | {"batch-above-1", "unequal-sizes", "equal-sizes"}
)
NEEDS_INPUT = frozenset({"where-negative", "where-large", "at-zeros", "at-ties"})

ByTest = Mapping[str, Facts]


@dataclass(frozen=True)
class Planned:
    """One mutant of one pass: the tests that show it, quickest first; none where it is never shown, or not reached."""

    passage: str
    output: str
    mutation: Mutation
    tests: tuple[str, ...] = ()
    reached: bool = True

    def known(self) -> Mutant | None:
        """The outcome, where no test need be run for it."""
        if self.tests:
            return None
        return self.mutant("never-shown" if self.reached else "not-reached")

    def job(self, kind: Literal["mutant", "proposal"], tests: tuple[str, ...] = (), source: str = "") -> Job:
        """With this mutant, run these tests or that proposed one."""
        mutation = self.mutation
        return Job(kind, tests, self.passage, self.output, mutation.id, mutation.watch, mutation.usual, source=source)

    def mutant(self, outcome: Outcome, **more: Any) -> Mutant:
        """The answer about this mutation, as the report holds it."""
        mutation = self.mutation
        return Mutant(self.output, mutation.id, outcome, summary=mutation.summary, shown_by=mutation.shown_by, **more)


def plan(
    facts: Mapping[str, ByTest], kinds: Mapping[str, str], seconds: Mapping[str, float], declared: Mapping[str, Sequence[str]]
) -> list[Planned]:
    """All mutants, each pass's first mutation before any pass's second: a limit in time leaves out the least telling ones of all.

    Args:
        facts: by pass and test; a pass that no test reaches has none.
        kinds: of each pass, how it is made known.
        seconds: of each test.
        declared: the gradients that a pass is known to have, whether or not they were asked for.
    """
    columns = [_of_passage(name, facts.get(name, {}), kind, seconds, declared.get(name, ())) for name, kind in kinds.items()]
    order = {mutation.id: place for place, mutation in enumerate(CATALOGUE)}
    planned = [one for column in columns for one in column]
    return sorted(planned, key=lambda one: order.get(one.mutation.id, len(order)))


def _of_passage(name: str, by_test: ByTest, kind: str, seconds: Mapping[str, float], declared: Sequence[str]) -> list[Planned]:
    if not by_test:
        return [*_not_reached(name, kind, declared or (FIRST,)), *_not_reached(name, kind, (EVERY,))]
    outputs = list(dict.fromkeys(output for facts in by_test.values() for output in facts.outputs))
    quickest = sorted(by_test, key=lambda test: seconds.get(test, 0.0))
    planned = []
    listed = list(by_test.values())
    for mutation in CATALOGUE:
        for output in [EVERY] if mutation.of_cotangent else outputs:
            if _fits_kind(mutation, kind) and _fits(mutation, output, listed, len(outputs)):
                planned.append(Planned(name, output, mutation, tuple(t for t in quickest if (output, mutation.id) in by_test[t].shown)))
    planned += _not_reached(name, kind, [output for output in declared if output not in outputs])
    if kind != "custom_jvp":
        planned += [Planned(name, output, *unusual) for unusual in _unusual(by_test, quickest) for output in outputs]
    return planned


def _not_reached(name: str, kind: str, outputs: Sequence[str]) -> list[Planned]:
    fitting = [one for one in CATALOGUE if one.id not in ("exchanged", "last-output") and _fits_kind(one, kind)]
    return [Planned(name, output, one, reached=False) for output in outputs for one in fitting if one.of_cotangent == (output == EVERY)]


def _fits_kind(mutation: Mutation, kind: str) -> bool:
    """A traced tangent has no numbers to ask about, and no cotangent."""
    return kind != "custom_jvp" or not (mutation.of_cotangent or mutation.id in NEEDS_NUMBERS)


def _fits(mutation: Mutation, output: str, facts: Sequence[Facts], outputs: int) -> bool:
    """Whether the pass can make this mistake in this gradient at all."""
    if mutation.id == "exchanged":
        return outputs > 1
    if mutation.id == "last-output":
        return any(one.cotangent_count > 1 for one in facts)
    if mutation.id == "transposed":
        return any(one.gradient_ranks.get(output, 0) > 1 for one in facts)
    if mutation.id == "cotangent-contiguous":
        return any(one.layouts for one in facts)
    if mutation.id in NEEDS_INPUT:
        return any(output in one.masked for one in facts)
    return True


def _unusual(by_test: ByTest, quickest: Sequence[str]) -> list[tuple[Mutation, tuple[str, ...]]]:
    """A mutation for the rank and for each option with more than one possible value: wrong where it is not what most tests have."""
    found = []
    names = list(dict.fromkeys(name for facts in by_test.values() for name in facts.options))
    for watch in ["rank", *names]:
        values = {test: [str(r) for r in f.ranks] if watch == "rank" else f.options.get(watch, []) for test, f in by_test.items()}
        counted = Counter(value for listed in values.values() for value in listed)
        if not counted or not all(_is_plain(value) for value in counted):
            continue
        usual = counted.most_common(1)[0][0]
        tests = tuple(test for test in quickest if any(value != usual for value in values[test]))
        found.append((unusual(watch, usual), tests))
    return found


def _is_plain(text: str) -> bool:
    """Whether a value's text says the value: not that of an object."""
    return not text.startswith("<") and " at 0x" not in text
