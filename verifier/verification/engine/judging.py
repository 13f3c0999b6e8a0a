"""One autograd engine -> a report: each operation alone, then graphs, the smallest graph that fails, and whose fault it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

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
from verifier.counting import counted
from verifier.diagnosis.engine.explaining import explain
from verifier.errors import RequestError
from verifier.results.outcome import Outcome
from verifier.results.report import Note
from verifier.verification.exchanging import Exchanging
from verifier.verification.record import Clock, Judged, Request, Run, described, report_of
from verifier.verification.witnesses import verdict_of

DEATHS = 8  # what some graph or operand does to an engine is a refusal like any other
GRAPHS: Mapping[str, int] = {"quick": 100, "ci": 300, "thorough": 3000, "grading": 300}


@dataclass(frozen=True)
class _Found:
    """What is known of an engine that loaded."""

    asking: Asking
    alone: Alone
    answers: Answers
    smallest: Smallest | None


def judge(run: Run, candidate: Candidate, found: Callable[[Outcome], None]) -> Judged:
    """Judge one engine and write it all down. `found` is called with each outcome at once."""
    claims, request = cast(Claims, candidate.claims), run.request

    def tell(what: str, done: int, total: int) -> None:
        run.progress(f"{candidate.name}: {what}", done, total)

    clock = Clock()
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
            return _written(candidate, request, exchanging, clock, [Outcome("contract", "error", str(error))])
        outcomes = [_contract(asking, alone), operations_outcome(alone)]
        if request.wants("graphs"):
            outcomes.append(graph_outcome(answers, smallest))
        return _written(candidate, request, exchanging, clock, outcomes, _Found(asking, alone, answers, smallest))


def read_problem(data: bytes) -> Graph:
    """The graph of a counterexample file. Raises RequestError where it is none."""
    return from_bytes(data)


def replay(run: Run, problem: Graph, file: str, candidate: Candidate) -> Judged:
    """Ask one engine about one stored graph.

    Raises:
        RequestError: the engine has not all of its operations.
    """
    clock, claims = Clock(), cast(Claims, candidate.claims)
    with np.errstate(all="ignore"), Exchanging(run.zygote, candidate, claims, run.limits, DEATHS) as exchanging:
        try:
            exchanging.load()
            asking = Asking(exchanging)
        except Unanswered as error:
            return _written(candidate, run.request, exchanging, clock, [Outcome("contract", "error", str(error))])
        missing = [name for name in problem.operations if name not in asking.engine.entries]
        if missing:
            raise RequestError(f"{file}: the graph has operations that {candidate.path} does not: {', '.join(missing)}")
        alone, answers = Alone(dtype=asking.engine.dtypes[0], computes_in=asking.engine.dtypes[0]), Answers()
        ask_again(asking, alone, problem, answers)
        smallest = smallest_failure(asking, alone, answers, budget=0)
        clock.lap("graphs")
        found = _Found(asking, alone, answers, smallest)
        return _written(candidate, run.request, exchanging, clock, [graph_outcome(answers, smallest)], found)


def _contract(asking: Asking, alone: Alone) -> Outcome:
    answered = sum(one.status != "refuses" for questions in alone.asked.values() for one in questions)
    asked = sum(len(questions) for questions in alone.asked.values())
    if not answered:
        words = next((one.words for questions in alone.asked.values() for one in questions if one.words), "there is no operation")
        return Outcome("contract", "error", f"No question was answered. The first refusal: {words}.", problems=asked)
    return Outcome(
        "contract",
        "pass",
        f"{counted(len(alone.asked), 'operation')}; {answered} of {asked} questions about them are answered.",
        problems=asked,
    )


def _written(
    candidate: Candidate, request: Request, exchanging: Exchanging, clock: Clock, outcomes: list[Outcome], found: _Found | None = None
) -> Judged:
    verdict = verdict_of(outcomes, [outcome.id for outcome in outcomes if outcome.status == "inconclusive"])
    write = partial(report_of, request=request, worker=exchanging, outcomes=outcomes, verdict=verdict, seconds=clock.seconds)
    if found is None:
        return Judged(write(described(candidate, {}), summary=summary_of(verdict, outcomes, (), None)), None)
    engine, smallest = found.asking.engine, found.smallest
    diagnosis = explain(engine, found.alone, found.answers, smallest)
    counterexample, stored = counterexample_of(smallest) if smallest is not None else (None, None)
    report = write(
        described(candidate, engine.as_claims() | candidate.claims.as_manifest(defaults=False)),
        summary=summary_of(verdict, outcomes, diagnosis, smallest),
        notes=tuple(Note(check, text) for check, text in notes_of(found.asking, found.alone, found.answers)),
        diagnosis=tuple(diagnosis),
        counterexample=counterexample,
        operations=rows_of(found.alone),
    )
    return Judged(report, stored)
