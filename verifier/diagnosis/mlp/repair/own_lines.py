"""A candidate watched line by line in a worker of its own, after its verdict, and the lines of its source that would correct it."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.session import Session, Target, WorkerEnded
from verifier.candidates.source_lines import source_line
from verifier.candidates.zygote import Zygote
from verifier.checks import autograd, forward
from verifier.checks.examination import Examination, Finding
from verifier.checks.mlp import update
from verifier.contracts.mlp.calling import (
    entry_call,
    read_entry,
    recovery_rate,
    values_of,
)
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of
from verifier.diagnosis.mlp.diagnosing import Diagnosed
from verifier.diagnosis.mlp.repair.networks import watched_networks
from verifier.diagnosis.mlp.repair.search import Repaired, find_repairs, wrong_in
from verifier.diagnosis.mlp.repair.telling import is_a_gradient_already, sentence, value_there, worst_element
from verifier.diagnosis.mlp.repair.watching import Put, Setting, Slot, Watched
from verifier.errors import AnswerError
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation
from verifier.results.report import OwnLine

SECONDS = 15.0  # for all of it; most candidates take less than one
EACH_SECONDS = 3.0  # for one message
# Mistakes that are in no value of a line: how it is rounded, what is kept from an earlier call, chance, differences, a loop of steps.
OF_NO_LINE = frozenset(
    {
        "single-precision",
        "numerical-differentiation",
        "accumulated-between-calls",
        "stale-forward-state",
        "random-between-calls",
        "update-sample-by-sample",
    }
)
KINDS = 3  # of activations and losses that are tried


class Watcher:
    """Asks one candidate, watched, in a worker that nothing else was asked of; silent for good once that has ended."""

    def __init__(self, session: Session, claims: Claims, entry: str, seconds: float = SECONDS) -> None:
        self._session, self._claims, self._entry = session, claims, entry
        self._put: Problem | None = None
        self._last = time.monotonic() + seconds
        self._ended = False

    @property
    def rate(self) -> float | None:
        """Of the step, where the candidate is asked for steps."""
        return recovery_rate(self._claims) if self._entry == "update" else None

    def watch(self, problem: Problem, puts: Sequence[Sequence[Put]], recorded: bool) -> Sequence[Watched] | None:
        """The answers to one call for each set of puts; as `repair.watching.Watch`."""
        if self._ended or time.monotonic() > self._last:
            return None
        call = entry_call(problem, self._claims, self._entry)
        arrays: dict[str, Any] = {}
        message: dict[str, Any] = {"calls": []}
        for put in puts:
            message["calls"].append({**call.message(), "trace": {"record": recorded, "put": [_as_message(one, arrays) for one in put]}})
        if self._put is not problem:
            message["put"], values = values_of(problem, self._claims)
            arrays |= values
        try:
            answer = self._session.ask(message, arrays, seconds=max(0.0, min(EACH_SECONDS, self._last - time.monotonic())))
        except WorkerEnded:
            self._ended = True
            return None
        self._put = problem
        if any(not result["trace"]["whole"] for result in answer.message["results"] if "trace" in result):
            self._ended = True  # too much is set: numbers one by one, or differences
            return None
        return [self._watched(problem, result, answer.arrays) for result in answer.message["results"]]

    def _watched(self, problem: Problem, result: dict[str, Any], arrays: Any) -> Watched:
        if "form" not in result:
            return Watched(None)
        trace, settings = result["trace"], []
        for file, line, function, path, name, array in trace["settings"]:
            slot = Slot(trace["files"][file], line, function, name)
            settings.append(Setting(slot, path, np.asarray(arrays[array], dtype=np.float64)))
        return Watched(self._read(problem, result["form"], arrays), tuple(settings))

    def _read(self, problem: Problem, form: Any, arrays: Any) -> Evaluation | None:
        try:
            return read_entry(form, arrays, problem, self._claims, self._entry)
        except AnswerError:
            return None


def _as_message(put: Put, arrays: dict[str, Any]) -> dict[str, Any]:
    choices = []
    for shape, wanted in put.choices.items():
        names = [f"put {len(arrays) + position}" for position in range(len(wanted))]
        arrays.update(zip(names, (np.array(array, order="C") for array in wanted), strict=True))
        choices.append([list(shape), names])
    return {"file": put.slot.file, "line": put.slot.line, "slot": put.slot.name, "choices": choices}


def find_own_lines(
    candidate: Candidate,
    examination: Examination,
    findings: Mapping[str, Finding],
    diagnosed: Diagnosed | None,
    zygote: Zygote,
    limits: Limits,
) -> tuple[OwnLine, ...]:
    """The lines of the candidate's source where another value would correct what it returns; empty where nothing can be said.

    Asked after the verdict, of a candidate whose loss, gradients or step are wrong.
    """
    failed = {check for check, finding in findings.items() if finding.outcome.status == "fail"}
    first = diagnosed.diagnosis[0].fault if diagnosed is not None and diagnosed.diagnosis else ""
    if not failed & {autograd.ID, update.ID, forward.ID} or first in OF_NO_LINE:
        return ()
    claims, only_the_step = examination.claims, update.ID in failed and not failed & {autograd.ID, forward.ID}
    with _worker(candidate, zygote, limits) as session:
        if session is None:
            return ()
        seconds = min(SECONDS, limits.all_wall_seconds)
        watcher = Watcher(session, claims, "update" if only_the_step else examination.entry, seconds)
        for network, others in watched_networks(claims, _failing(examination), seed=examination.seed):
            trusted = _lines_of(Watcher(session, claims, examination.entry), network[0]) if only_the_step else frozenset()
            repaired = find_repairs(network, others, claims, watcher.watch, watcher.rate, trusted)
            if repaired is not None:
                if only_the_step and any(is_a_gradient_already(found) for found in repaired.found):
                    return ()
                return _records(candidate, repaired, len(others))
    return ()


def _lines_of(watcher: Watcher, problem: Problem) -> frozenset[tuple[str, int]]:
    """The lines, by file and number, that set something in one call."""
    answers = watcher.watch(problem, [[]], True) or ()
    return frozenset((setting.slot.file, setting.slot.line) for answer in answers for setting in answer.settings)


@contextlib.contextmanager
def _worker(candidate: Candidate, zygote: Zygote, limits: Limits) -> Iterator[Session | None]:
    """A worker of its own; None where it does not load the candidate."""
    target = Target(candidate.file, candidate.root, candidate.readable, candidate.module, candidate.entry)
    try:
        session = zygote.start(target, replace(limits, all_cpu_seconds=SECONDS))
    except WorkerEnded:
        yield None
        return
    with contextlib.closing(session):
        yield session if "load_error" not in session.hello else None


def _failing(examination: Examination) -> list[Architecture]:
    """Networks of different kinds on which the gradients are wrong; where none is (a wrong step), any."""
    wrong, kinds = [], set()
    for item in examination.answered:
        architecture = architecture_of(item.problem)
        kind = architecture.activations[:1], architecture.activations[-1], architecture.loss
        if kind not in kinds and wrong_in(examination.evaluations[item.index], item.reference):
            kinds.add(kind)
            wrong.append(architecture)
    return wrong[:KINDS] or [architecture_of(item.problem) for item in examination.answered[:1]]


def _records(candidate: Candidate, repaired: Repaired, confirmed: int) -> tuple[OwnLine, ...]:
    records: dict[tuple[str, int], OwnLine] = {}
    for found in repaired.found:
        slot = found.repair.slot if found.undone is None else found.undone.slot
        source = source_line(candidate, slot.file, slot.line)
        if source is None:
            return ()
        name, right = value_there(found)
        _, claimed, wanted = worst_element(found, right)
        function = "" if slot.function == "<module>" else slot.function
        records.setdefault(
            (slot.file, slot.line),
            OwnLine(
                file=candidate.named(slot.file),
                line=slot.line,
                function=function,
                source=source.text,
                column=source.column,
                length=source.length,
                variable=found.setting.path if found.undone is None else found.undone.path,
                quantity=name,
                sentence=sentence(found),
                claimed=claimed if np.isfinite(claimed) else None,
                right=wanted,
                confirmed=confirmed,
            ),
        )
    return tuple(records.values())
