"""The audit itself, in the process that has collected the tests: record, ask about each mutant, measure resolutions, propose tests."""

import contextlib
import importlib
import importlib.metadata
import itertools
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from verifier.audit import variety
from verifier.audit.children import Done, Start, run
from verifier.audit.executed import skeletons
from verifier.audit.finding.passages import Passage
from verifier.audit.jobs import Job
from verifier.audit.kept import Kept
from verifier.audit.planning import Planned, plan
from verifier.audit.proposing import Proposer
from verifier.audit.recording import Facts
from verifier.audit.results import Audit, Function, Mutant

PATIENCE = 20.0  # seconds of silence that any test may have
PROPOSED = 120.0  # and that a proposed test may have: JAX compiles what it calls
SLOWER = 20.0  # and how many times its recorded time: other processes run beside it
CHUNK = 12  # tests whose resolutions are measured in one process


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the audit is run.

    Attributes:
        at_once: processes at a time.
        root: the project's folder.
        seconds: limit on what follows the recording run; None for no limit.
        resolution, propose, keep: whether resolutions are measured, tests proposed, outcomes of earlier audits taken.
        leave_out_failing: whether tests that fail without any mutant are left out, in place of stopping.
    """

    root: str
    at_once: int = 2
    seconds: float | None = None
    resolution: bool = True
    propose: bool = True
    keep: bool = True
    leave_out_failing: bool = False
    command: str = ""


@dataclass
class Auditing:
    """One audit.

    Args:
        tests: node ids in the suite's order.
        start: starts a job in a process of its own.
        progress: is given a phase, how much of it is done, and of how much.
    """

    tests: Sequence[str]
    passages: Sequence[Passage]
    start: Start
    settings: Settings
    progress: Callable[[str, int, int], None] = lambda phase, done, of: None
    forked: bool = True
    why_fresh: str = ""
    facts: dict[str, dict[str, Facts]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _deadline: float = float("inf")

    def audit(self) -> Audit:
        """The audit's result; where the suite is not green twice, only what it said about that."""
        flaky, failing, depends = self._record()
        recording = time.monotonic() - self._began
        if flaky or (failing and not self.settings.leave_out_failing):
            return self._result((), recording, flaky=flaky, failing=failing)
        if self.settings.seconds is not None:
            self._deadline = time.monotonic() + self.settings.seconds
        kept = self._kept(depends)
        kinds = {name: "autograd.Function" for name in self.facts} | {passage.name: passage.kind for passage in self.passages}
        bases = {passage.name for passage in self.passages if passage.base and passage.name not in self.facts}
        declared = {passage.name: passage.outputs for passage in self.passages}
        planned = plan(self.facts, {name: kinds[name] for name in sorted(kinds) if name not in bases}, self.seconds, declared)
        mutants, not_asked, used = self._mutants(planned, kept)
        flaky = self._control({mutant.test for mutant in mutants.values() if mutant.test is not None})
        if flaky:
            return self._result((), recording, flaky=flaky)
        resolutions = self._resolutions(kept) if self.settings.resolution else {}
        proposer = Proposer(self._run, self._time_is_up)
        functions = [
            self._function(name, kinds[name], planned, mutants, resolutions, proposer) for name in sorted(kinds) if name not in bases
        ]
        kept.save()
        return self._result(functions, recording, failing=failing, not_asked=not_asked, kept=used)

    def _run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        def patience(job: Job) -> float:
            if job.kind == "proposal":
                return PROPOSED
            return PATIENCE + SLOWER * max((self.seconds.get(test, 0.0) for test in job.tests), default=0.0)

        yield from run(jobs, self.start, at_once=self.settings.at_once, patience=patience)

    def _time_is_up(self) -> bool:
        return time.monotonic() > self._deadline

    def _in_time(self, jobs: Iterable[Job]) -> Iterator[Job]:
        return itertools.takewhile(lambda job: not self._time_is_up(), jobs)

    def _record(self) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
        """Two runs with other random numbers. Flaky: passed once, failed once; failing: failed twice."""
        tests = tuple(self.tests)
        self.seconds = {test: 60.0 for test in tests}  # nothing is known of their time yet
        jobs = [Job("record", tests), Job("record", tests, salt=1, execution=True)]
        done: dict[int, Done] = {}
        for one in self._run(jobs):
            self.progress("recording", len(done) + 1, 2)
            done[one.job.salt] = one
        outcomes = [{ran["test"]: ran for ran in done[salt].each("ended")} for salt in (0, 1)]
        if self.forked:
            _load(done[0].last("loaded", []))
        self.seconds = {test: ran["seconds"] for test, ran in outcomes[0].items()}
        self.facts = msgspec.convert(done[0].last("facts", {}), dict[str, dict[str, Facts]])
        failed = [{test for test in tests if test not in ran or ran[test]["outcome"] == "failed"} for ran in outcomes]
        flaky, failing = failed[0] ^ failed[1], failed[0] & failed[1]
        for name, by_test in self.facts.items():
            self.facts[name] = {test: facts for test, facts in by_test.items() if test not in failing}
        self.facts = {name: by_test for name, by_test in self.facts.items() if by_test}
        return tuple(t for t in tests if t in flaky), tuple(t for t in tests if t in failing), done[1].last("executed", {})

    def _kept(self, depends: dict[str, str]) -> Kept:
        files = [str(getattr(module, "__file__", "") or "") for module in list(sys.modules.values())]
        mine = [file for file in files if file.startswith(f"{self.settings.root}/") and "site-packages" not in file]
        configured = [os.path.join(self.settings.root, name) for name in ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")]
        texts = [Path(file).read_text(encoding="utf-8", errors="replace") for file in configured if os.path.exists(file)]
        common = "\n".join([skeletons(mine), *texts, str(sorted(_versions().items()))])
        return Kept(self.settings.root, common, depends)

    def _mutants(self, planned: Sequence[Planned], kept: Kept) -> tuple[dict[Planned, Mutant], tuple[tuple[str, str, str], ...], int]:
        """Outcomes by plan; what was not asked; how many were kept."""
        outcomes = {one: known for one in planned if (known := one.known()) is not None}
        open_ = [one for one in planned if one not in outcomes]
        held = {one: found for one in open_ if self.settings.keep and (found := kept.mutant(one)) is not None}
        outcomes |= held
        asked = {one.job("mutant", one.tests): one for one in open_ if one not in held}
        for number, done in enumerate(self._run(self._in_time(asked)), 1):
            one = asked[done.job]
            outcomes[one] = _outcome(one, done)
            kept.keep_mutant(one, outcomes[one])
            self.progress("mutants", number, len(asked))
        missing = tuple((one.passage, one.output, one.mutation.id) for one in planned if one not in outcomes)
        return outcomes, missing, len(held)

    def _control(self, tests: set[str]) -> tuple[str, ...]:
        """Those of the noticing tests that fail with other random numbers and no mutant."""
        ordered = tuple(test for test in self.tests if test in tests)
        if not ordered:
            return ()
        failed = set()
        for done in self._run([Job("control", ordered, salt=2)]):
            failed = {ran["test"] for ran in done.each("ended") if ran["outcome"] == "failed"}
        return tuple(test for test in ordered if test in failed)

    def _resolutions(self, kept: Kept) -> dict[str, dict[str, float | None]]:
        found: dict[str, dict[str, float | None]] = {name: {} for name in self.facts}
        jobs = []
        for name, by_test in sorted(self.facts.items()):
            for test in by_test:
                held = kept.value(kept.key("resolution", name, tests=(test,))) if self.settings.keep else None
                if held is not None:
                    found[name][test] = held[0]
            tests = [test for test in sorted(by_test, key=lambda one: self.seconds.get(one, 0.0)) if test not in found[name]]
            jobs += [Job("resolution", tuple(tests[at : at + CHUNK]), name) for at in range(0, len(tests), CHUNK)]
        jobs.sort(key=lambda job: sum(self.seconds.get(test, 0.0) for test in job.tests))
        for number, done in enumerate(self._run(self._in_time(jobs)), 1):
            for test, error in done.each("resolution"):
                found[done.job.passage][test] = error
                kept.keep(kept.key("resolution", done.job.passage, tests=(test,)), [error])
            self.progress("resolution", number, len(jobs))
        return found

    def _function(
        self,
        name: str,
        kind: str,
        planned: Sequence[Planned],
        mutants: dict[Planned, Mutant],
        resolutions: dict[str, dict[str, float | None]],
        proposer: Proposer,
    ) -> Function:
        passage = next((one for one in self.passages if one.name == name), None)
        by_test = self.facts.get(name, {})
        mine = {one: mutants[one] for one in planned if one.passage == name and one in mutants}
        measured = resolutions.get(name, {})
        seen = [error for error in measured.values() if error is not None]
        facts = variety.together(by_test)
        function = Function(
            name=name,
            kind=kind,
            file=_relative(passage.file, self.settings.root) if passage else "",
            line=passage.line if passage else 0,
            tests=tuple(test for test in self.tests if test in by_test),
            calls=sum(facts.calls for facts in by_test.values()),
            seconds=sum(self.seconds.get(test, 0.0) for test in by_test),
            resolution=min(seen) if seen else None,
            resolutions=measured,
            facts=facts,
            never_varied=variety.never_varied(facts, len(by_test)),
            mutants=tuple(mine.values()),
        )
        if not self.settings.propose or passage is None:
            return function
        self.progress("proposals", 0, 0)
        proposals, unproposed, rounding = proposer.propose(passage, by_test, mine)
        return msgspec.structs.replace(function, proposals=proposals, unproposed=unproposed, rounding=rounding)

    def _result(self, functions: Iterable[Function], recording: float, **more: Any) -> Audit:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return Audit(
            functions=tuple(functions),
            tests=len(self.tests),
            forked=self.forked,
            why_fresh=self.why_fresh,
            recording_seconds=recording,
            seconds=time.monotonic() - self._began,
            processor_seconds=sum(one.ru_utime + one.ru_stime for one in used),
            versions=_versions(),
            command=self.settings.command,
            **more,
        )


def _outcome(one: Planned, done: Done) -> Mutant:
    """Noticed where a test failed, or the process hung or died in one."""
    failed = next((ran for ran in done.each("ended") if ran["outcome"] == "failed"), None)
    if failed is not None:
        return one.mutant("noticed", test=failed["test"], seconds=done.seconds, said=failed["message"])
    if done.trouble:
        return one.mutant("noticed", test=done.test or one.tests[0], seconds=done.seconds, said=f"the test {done.trouble}")
    shown = done.last("shown", False)
    return one.mutant("not-noticed" if shown else "never-shown", seconds=done.seconds)


def _load(names: Iterable[str]) -> None:
    """Once, what each fork would load for itself."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _relative(file: str, root: str) -> str:
    return os.path.relpath(file, root) if file.startswith(root) else os.path.basename(file)


def _versions() -> dict[str, str]:
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("backprop-verifier", "numpy", "torch", "jax", "autograd", "pytest"):
        if name in sys.modules or name in ("backprop-verifier", "pytest"):
            try:
                versions[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
    return versions
