"""For what a suite does not notice, a test that does: made after a recorded call, and run once with each mutant.

A proposal is shown only where it passes on the code as it is and fails with the mutant.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from verifier.audit.children import Done
from verifier.audit.drafting import Draft, drafts, usable
from verifier.audit.finding.passages import Passage
from verifier.audit.jobs import Job
from verifier.audit.planning import Planned
from verifier.audit.recording import Facts
from verifier.audit.results import Mutant, Proposal

Run = Callable[[Iterable[Job]], Iterator[Done]]


class Proposer:
    """Finds proposals.

    Args:
        run: runs jobs in processes of their own.
        time_is_up: whether to stop looking.
    """

    def __init__(self, run: Run, time_is_up: Callable[[], bool]) -> None:
        self._run, self._time_is_up = run, time_is_up
        self._loaded, self._refused = False, ""

    def propose(
        self, passage: Passage, by_test: Mapping[str, Facts], mutants: Mapping[Planned, Mutant]
    ) -> tuple[tuple[Proposal, ...], str, float | None]:
        """Proposals; why some mutant has none ("" where each has); the rounding of the pass's gradients."""
        self._load()
        open_ = [one for one, mutant in mutants.items() if mutant.outcome != "noticed"]
        samples = [facts.sample for facts in by_test.values() if facts.sample is not None]
        why = usable(passage, samples)
        if why or not samples:
            return (), why or "no call of it was recorded that a test could be made after", None
        self._refused = ""
        proposals: list[Proposal] = []
        rounding: float | None = None
        for draft in drafts(passage, samples, by_test):
            waiting = [one for one in open_ if draft.may_show(one.mutation.id)] if open_ else []
            if self._time_is_up() or (rounding is not None and not waiting):
                continue
            if draft.measures:
                rounding = self._measured(draft) if rounding is None else rounding
                continue
            if not waiting:
                continue
            noticed = self._noticing(draft, waiting)
            if noticed:
                source = draft.source.replace("():", f"_{len(proposals) + 1}():", 1) if proposals else draft.source
                proposals.append(Proposal(source, tuple((one.output, one.mutation.id) for one in noticed)))
                open_ = [one for one in open_ if one not in noticed]
        return tuple(proposals), _unproposed(open_, "" if proposals else self._refused), rounding

    def _load(self) -> None:
        """Once, before the forks: what `assert_gradients` imports."""
        if not self._loaded:
            self._loaded = True
            importlib.import_module("verifier.assertions")
            if "torch" in sys.modules:
                importlib.import_module("verifier.oracles.torch_functions")

    def _measured(self, draft: Draft) -> float | None:
        (done,) = self._run([Job("proposal", source=draft.source)])
        measured = done.last("measured")
        return float(measured) if measured is not None else None

    def _noticing(self, draft: Draft, waiting: Sequence[Planned]) -> list[Planned]:
        """Which of these the test notices; none where it does not pass without a mutant."""
        control = Job("proposal", source=draft.source)
        asked = {one.job("proposal", source=draft.source): one for one in waiting}
        fails, noticed = False, set()

        def jobs() -> Iterator[Job]:
            yield control
            for job in asked:
                if fails:
                    return
                yield job

        for done in self._run(jobs()):
            failing = done.trouble or done.last("noticed", "it did not end")
            if done.job == control:
                fails = bool(failing)
                self._refused = self._refused or (f"it {done.trouble}" if done.trouble else failing or "")
            elif failing:
                noticed.add(asked[done.job])
        return [] if fails else [one for one in waiting if one in noticed]


def _unproposed(open_: Sequence[Planned], refused: str) -> str:
    """Why there is no test for these; `refused`: what a test said that failed without a mutant, where none passed."""
    if not open_:
        return ""
    if refused:
        return f"a test made after a recorded call fails on the code as it is: {refused}"
    by_mutant: dict[str, list[str]] = {}
    for one in open_:
        by_mutant.setdefault(one.mutation.id, []).append(one.output)
    names = ", ".join(f"{name} ({', '.join(outputs)})" for name, outputs in by_mutant.items())
    return f"no test that was tried shows {names}; perhaps no input can"
