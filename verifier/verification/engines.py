"""One autograd engine -> a report: each operation alone, then graphs, the smallest graph that fails, and whose fault it is."""

import time
from collections.abc import Callable, Mapping
from typing import cast

import msgspec
import numpy as np

from verifier.candidates.discovery import Candidate
from verifier.checks.engine.alone import Alone, ask_alone
from verifier.checks.engine.asking import Asking
from verifier.checks.engine.graphs import Answers, ask_again, ask_graphs
from verifier.checks.engine.outcomes import counterexample_of, graph_outcome, notes_of, operations_outcome, summary_of
from verifier.checks.engine.shrinking import Smallest, smallest_failure
from verifier.checks.engine.table import rows_of
from verifier.checks.examination import Unanswered
from verifier.contracts.engine.graph import Graph, from_bytes
from verifier.contracts.engine.manifest import Claims
from verifier.diagnosis.engine.explaining import explain
from verifier.errors import RequestError
from verifier.results.outcome import Outcome, Verdict
from verifier.results.report import SCHEMA_VERSION, CandidateRecord, Note, Report
from verifier.verification.exchanging import Exchanging
from verifier.verification.record import Judged, Request, Run, _isolation, environment
from verifier.verification.witnesses import verdict_of

DEATHS = 8  # what some graph or operand does to an engine is a refusal like any other
GRAPHS: Mapping[str, int] = {"quick": 100, "ci": 300, "thorough": 3000, "grading": 300}


def judge(run: Run, candidate: Candidate, found: Callable[[Outcome], None]) -> Judged:
    """Judge one engine and write it all down. `found` is called with each outcome at once."""
    claims, request = cast(Claims, candidate.claims), run.request

    def tell(what: str, done: int, total: int) -> None:
        run.progress(f"{candidate.name}: {what}", done, total)

    clock = _Clock()
    with np.errstate(all="ignore"), Exchanging(run.zygote, candidate, claims, run.limits, DEATHS) as exchanging:
        try:
            exchanging.load()
            asking = Asking(exchanging)
            clock.lap("loading")
            alone = ask_alone(asking, seed=request.seed, tell=tell)
            clock.lap("operations")
            found(operations_outcome(alone))
            answers = Answers()
            if request.wants("graphs"):
                answers = ask_graphs(asking, alone, count=GRAPHS[request.profile.name], seed=request.seed, tell=tell)
            clock.lap("graphs")
            smallest = smallest_failure(asking, alone, answers, budget=request.profile.shrinking)
            clock.lap("shrinking")
        except Unanswered as error:
            return _written(
                candidate, claims, request, exchanging, clock, [Outcome("contract", "error", str(error))], None, None, None, None
            )
        outcomes = [_contract(asking, alone), operations_outcome(alone)]
        if request.wants("graphs"):
            outcomes.append(graph_outcome(answers, smallest))
        return _written(candidate, claims, request, exchanging, clock, outcomes, asking, alone, answers, smallest)


def read_problem(data: bytes) -> Graph:
    """The graph of a counterexample file. Raises RequestError where it is none."""
    return from_bytes(data)


def replay(run: Run, problem: Graph, file: str, candidate: Candidate) -> Judged:
    """Ask one engine about one stored graph.

    Raises:
        RequestError: the engine has not all of its operations.
    """
    clock, claims = _Clock(), cast(Claims, candidate.claims)
    with np.errstate(all="ignore"), Exchanging(run.zygote, candidate, claims, run.limits, DEATHS) as exchanging:
        try:
            exchanging.load()
            asking = Asking(exchanging)
        except Unanswered as error:
            return _written(
                candidate, claims, run.request, exchanging, clock, [Outcome("contract", "error", str(error))], None, None, None, None
            )
        missing = [name for name in problem.operations if name not in asking.engine.entries]
        if missing:
            raise RequestError(f"{file}: the graph has operations that {candidate.path} does not: {', '.join(missing)}")
        alone, answers = Alone(dtype=asking.engine.dtypes[0], computes_in=asking.engine.dtypes[0]), Answers()
        ask_again(asking, alone, problem, answers)
        smallest = smallest_failure(asking, alone, answers, budget=0)
        clock.lap("graphs")
        return _written(
            candidate, claims, run.request, exchanging, clock, [graph_outcome(answers, smallest)], asking, alone, answers, smallest
        )


def _unloaded(error: Unanswered) -> list[Outcome]:
    return [Outcome("contract", "error", str(error))]


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = round(self.seconds.get(phase, 0.0) + now - self._last, 4)
        self._last = now


def _contract(asking: Asking, alone: Alone) -> Outcome:
    answered = sum(one.status != "refuses" for questions in alone.asked.values() for one in questions)
    asked = sum(len(questions) for questions in alone.asked.values())
    if not answered:
        words = next((one.words for questions in alone.asked.values() for one in questions if one.words), "there is no operation")
        return Outcome("contract", "error", f"No question was answered. The first refusal: {words}.", problems=asked)
    return Outcome(
        "contract", "pass", f"{len(alone.asked)} operations; {answered} of {asked} questions about them are answered.", problems=asked
    )


def _written(
    candidate: Candidate,
    claims: Claims,
    request: Request,
    exchanging: Exchanging,
    clock: _Clock,
    outcomes: list[Outcome],
    asking: Asking | None = None,
    alone: Alone | None = None,
    answers: Answers | None = None,
    smallest: Smallest | None = None,
) -> Judged:
    diagnosis = explain(asking.engine, alone, answers, smallest) if asking is not None and alone is not None and answers is not None else ()
    counterexample, stored = counterexample_of(smallest) if smallest is not None else (None, None)
    verdict = cast(Verdict, verdict_of(outcomes, ()))
    notes = notes_of(asking, alone, answers) if asking is not None and alone is not None and answers is not None else []
    report = Report(
        schema_version=SCHEMA_VERSION,
        verdict=verdict,
        summary=summary_of(verdict, outcomes, diagnosis, smallest),
        candidate=CandidateRecord(
            candidate.name,
            candidate.path,
            candidate.contract,
            {} if asking is None else asking.engine.as_claims() | claims.as_manifest(defaults=False),
        ),
        profile=request.profile.name,
        seed=request.seed,
        checks=tuple(outcomes),
        measurements=(),
        notes=tuple(Note(check, text) for check, text in notes),
        diagnosis=tuple(diagnosis),
        counterexample=counterexample,
        isolation=_isolation(exchanging.isolation),
        environment=environment(),
        printed=exchanging.printed() if verdict in ("fail", "error") else "",
        only=request.only,
        operations=msgspec.UNSET if alone is None else rows_of(alone),
        timings=clock.seconds,
    )
    return Judged(report, stored)
