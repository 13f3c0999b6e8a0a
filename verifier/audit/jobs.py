"""One thing that a process of its own is asked to do with the project's tests, as plain data; and doing it."""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from verifier.audit.executed import Execution
from verifier.audit.finding import torch_functions
from verifier.audit.finding.passages import Passage, Scope, selected
from verifier.audit.listening import Listener, Mutator, Process, Scaler
from verifier.audit.mutations import mutation_named
from verifier.audit.recording import Recorder
from verifier.audit.resolution import bisect
from verifier.audit.running import Runner, seed

LOADED_ONCE = ("torch", "sympy", "mpmath", "numpy", "scipy")  # libraries that load parts of themselves when these are first used

Send = Callable[[Mapping[str, Any]], None]


class Job(msgspec.Struct, frozen=True):
    """What is asked.

    Attributes:
        kind: "record" the tests, run them with one "mutant", measure their "resolution", run a "proposal", or run them as a "control".
        tests: node ids, in the order in which they are run.
        salt: other random numbers in tests that do not seed their own.
        execution: whether to note which of the project's functions each test runs.
        source: of a proposal, the test's text.
    """

    kind: Literal["record", "mutant", "resolution", "proposal", "control"]
    tests: tuple[str, ...] = ()
    passage: str = ""
    output: str = ""
    mutation: str = ""
    watch: str | None = None
    usual: str | None = None
    salt: int = 0
    execution: bool = False
    source: str = ""


class Stage:
    """The collected tests and the passes that were found, in one process.

    Args:
        items: pytest's, by node id.
    """

    def __init__(self, items: Mapping[str, Any], passages: Sequence[Passage], scope: Scope, only: tuple[str, ...]) -> None:
        self.items, self.passages, self.scope, self.only = items, passages, scope, only

    def listen(self, listener: Listener, name: str | None = None) -> None:
        """Overhear one pass, or all."""
        Process.listener = listener
        for passage in self.passages:
            if name is None or passage.name == name:
                passage.listen()
        chosen = (lambda one: selected(one, self.only)) if name is None else (lambda one: one == name)
        torch_functions.listen_to_later(self.scope, chosen)

    def perform(self, job: Job, send: Send) -> None:
        """Do what is asked; what is found is sent as it is found."""
        if job.kind == "record":
            self._record(job, send)
        elif job.kind == "mutant":
            self._mutant(job, send)
        elif job.kind == "resolution":
            self._resolution(job, send)
        elif job.kind == "proposal":
            self._proposal(job, send)
        else:
            Runner(self.items, job.tests, send, salt=job.salt).all()

    def _record(self, job: Job, send: Send) -> None:
        recorder, execution = Recorder(), Execution(self.scope.root)
        self.listen(recorder)

        def begin(test: str) -> None:
            recorder.test = test
            recorder.begin()

        before = set(sys.modules)
        runner = Runner(self.items, job.tests, send, salt=job.salt, begin=begin, around=execution if job.execution else None)
        runner.all()
        send({"facts": msgspec.to_builtins(recorder.facts)})
        send({"loaded": sorted(name for name in set(sys.modules) - before if name.partition(".")[0] in LOADED_ONCE)})
        if job.execution:
            send({"executed": execution.digests()})

    def _mutator(self, job: Job) -> Mutator:
        return Mutator(job.passage, job.output, mutation_named(job.mutation, job.watch, job.usual))

    def _mutant(self, job: Job, send: Send) -> None:
        mutator = self._mutator(job)
        self.listen(mutator, job.passage)
        Runner(self.items, job.tests, send, salt=job.salt, begin=lambda test: mutator.begin()).until_one_fails()
        send({"shown": mutator.shown, "calls": mutator.calls})

    def _resolution(self, job: Job, send: Send) -> None:
        scaler = Scaler(job.passage)
        self.listen(scaler, job.passage)
        runner = Runner(self.items, job.tests, send, salt=job.salt)
        for test in job.tests:

            def notices(error: float, test: str = test) -> bool:
                scaler.error = error
                return runner.one(test).failed

            send({"resolution": (test, bisect(notices))})

    def _proposal(self, job: Job, send: Send) -> None:
        """Run the proposed test once; with a mutation it should fail, without one it should not."""
        if job.mutation:
            self.listen(self._mutator(job), job.passage)
        seed(job.source, 0)
        names: dict[str, Any] = {"__name__": "proposed"}
        try:
            exec(compile(job.source, "proposed test", "exec"), names)
            tests = [value for name, value in names.items() if name.startswith("test_")]
            for test in tests:
                test()
            send({"measured": names.get("MEASURED")})
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            send({"noticed": f"{type(error).__name__}: {str(error)[:300]}", "where": f"{last.filename}:{last.lineno}"})
        else:
            send({"noticed": None})
