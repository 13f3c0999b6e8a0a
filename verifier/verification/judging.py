"""The request as the faces make it -> judged candidates, one after another; what is wrong with one does not keep the others waiting."""

import math
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from secrets import randbits
from typing import Any

from verifier.candidates.assignment import Assignment, read_assignment, read_limits
from verifier.candidates.discovery import Candidate, find_candidates
from verifier.candidates.limits import Limits
from verifier.candidates.own_files import digest_of
from verifier.candidates.submissions import Unjudged, find_submissions
from verifier.candidates.zygote import Isolation, Zygote, files_can_be_confined
from verifier.checks.catalogue import check_ids
from verifier.contracts.catalogue import DEFAULT
from verifier.contracts.keys import printable
from verifier.errors import HarnessError, IsolationError, RequestError
from verifier.problems.storage import problem_from_bytes
from verifier.results.outcome import Outcome
from verifier.verification.bench import Bench, Setting, judging_of
from verifier.verification.cluster import Cluster
from verifier.verification.grading import Grading
from verifier.verification.journal import Journal
from verifier.verification.keeping import KeptReports
from verifier.verification.profiles import PROFILES, Profile
from verifier.verification.record import Judged, Request, Run
from verifier.verification.run import Progress
from verifier.verification.side_by_side import SideBySide
from verifier.verification.unjudged import unjudged

__all__ = ["Judged", "Progress", "StatedLimits", "judge", "replay"]

LEAST_A_JOB = 2  # candidates: a process more costs half a second to start
StatedLimits = Sequence[str] | Mapping[str, int | float | str]  # NAME=VALUE each, or by name


def judge(
    paths: Sequence[str],
    *,
    profile: str = "ci",
    seed: int | None = None,
    only: Sequence[str] = (),
    assignment: str | None = None,
    preset: str | None = None,
    limits: StatedLimits = (),
    isolation: Isolation | None = None,
    progress: Progress | None = None,
    journal: Journal | None = None,
    apart: Collection[str] = (),
    keep_measurements: bool = False,
    expecting: Callable[[int], None] = lambda count: None,
    jobs: int | None = None,
    kept: KeptReports | None = None,
    run_limit: float = math.inf,
    trust_references: bool = False,
    time_limit: float | None = None,
    rung: int | None = None,
    cluster: str | None = None,
) -> Iterator[Judged | RequestError | HarnessError]:
    """Judge every candidate behind the paths, in order; a request that is wrong comes back in its place as the error.

    Where the harness breaks on one candidate, that comes back too, with its cause, and the others are still judged.
    A file without a manifest is judged by the `preset`, where there is one.
    `limits` go before those of the assignment. What the `journal` has of an interrupted run is taken from it,
    and the rest is added to it. Under an assignment whatever stands in a submissions folder is judged, or is a report that says why not.

    Args:
        apart: files and folders that are no submissions, though they may lie among them.
        isolation: "auto" where it is None, and "require" under the profile grading.
        keep_measurements: whether all measurements are kept; under an assignment else only the worst of them.
        jobs: how many candidates are judged side by side, each in a process of its own; by default as many as there are processors. Reports
            then come as they are finished, each with its `position`.
        cluster: the address, or the scheduler file, of a Dask cluster that judges in place of this machine.
        kept: reports of an earlier run, of which those that are still true are taken.
        run_limit: seconds after which no candidate is asked any more; those still to come are reports that say so.
        trust_references: whether files of the contract `reference` are the user's own; what they name is not confined.
        time_limit: seconds that a candidate may take; where the profile would take longer, it is asked about fewer networks.
        rung: how much fewer, as the report of an earlier run has it; goes before `time_limit`.
        expecting: called with the number of candidates before the first is judged; it may refuse by a RequestError.
    Raises:
        RequestError: profile, check, limit or assignment is wrong: nothing can be judged.
        IsolationError: isolation is required and not available.
        HarnessError: the harness broke.
    """
    ends = time.monotonic() + run_limit
    isolation = isolation or ("require" if profile == "grading" else "auto")
    chosen = _profile(profile)
    if isolation == "off" or not files_can_be_confined():
        chosen = replace(chosen, kept=False)  # a candidate whose files are not confined could have rewritten what was kept
    _refuse_unknown_checks(only)
    fixed = None if assignment is None else read_assignment(assignment)
    if fixed is not None and preset is not None:
        raise RequestError(f'--preset {preset}: an assignment says this itself, by contract = "layer" and preset = "{preset}"')
    allowed = _limits(chosen, fixed, limits)
    candidates: Sequence[Candidate | Unjudged]
    if fixed is None:
        candidates, errors = find_candidates(paths, preset=preset)
        expecting(len(candidates) + len(errors))
        yield from errors
    else:
        candidates = find_submissions(paths, fixed, apart)
        expecting(len(candidates))
    if not candidates:
        return
    words = _words(only=only, assignment=assignment, preset=preset, limit=_stated(limits))
    words += ["--isolation", isolation] if isolation != "auto" else []
    words += ["--keep-measurements"] if keep_measurements else []
    words += ["--trust-references"] if trust_references else []
    grading = _grading(tuple(words), fixed, keep_measurements)
    requires = "" if fixed is None else fixed.requires
    within = math.inf if time_limit is None else time_limit
    trusted = trust_references and fixed is None
    request = Request(
        chosen, _seed(chosen, seed, journal, kept), tuple(only), trusted, within, rung, requires, fixed is not None, _beside(assignment)
    )
    setting = Setting(request, allowed, isolation, grading, run_limit, ends)
    docket = Docket(candidates, setting, progress or _silent, journal, kept, DEFAULT if fixed is None else fixed.contract)
    yield from docket.answers(jobs if jobs is not None else cores(), cluster)


@dataclass(frozen=True)
class Docket:
    """The candidates of a run, and where what is known of them is kept. `contract`: of the rows that are no candidate."""

    rows: Sequence[Candidate | Unjudged]
    setting: Setting
    tell: Progress
    journal: Journal | None
    kept: KeptReports | None
    contract: str

    def answers(self, jobs: int, cluster: str | None) -> Iterator[Judged | HarnessError]:
        """What came of each row: what is known already first, then the others as they are finished."""
        to_judge: list[tuple[int, Candidate]] = []
        for position, row in enumerate(self.rows):
            # Whatever belongs to one candidate (its files, its answers, its report) costs no other its verdict.
            try:
                known = self._known(row)
            except Exception as error:
                yield _broken(row, error)
                continue
            if known is not None:
                yield replace(known, position=position)
            elif isinstance(row, Candidate):
                to_judge.append((position, row))
        if cluster is not None and to_judge:
            with Cluster(self.setting, cluster) as dealer:
                yield from self._dealt(dealer, to_judge)
        elif jobs > 1 and len(to_judge) >= LEAST_A_JOB * 2:
            with SideBySide(self.setting, min(jobs, len(to_judge) // LEAST_A_JOB)) as children:
                yield from self._dealt(children, to_judge)
        elif to_judge:
            yield from self._one_after_another(to_judge)

    def _known(self, row: Candidate | Unjudged) -> Judged | None:
        """The report of what cannot be judged, or was judged before."""
        if isinstance(row, Unjudged):
            return self.setting.grading.of(unjudged(row.name, row.path, self.contract, {}, row.why, self.setting.request), None)
        known = None if self.journal is None else self.journal.finished(row)
        if known is None and self.kept is not None:
            known = self.kept.finished(row, digest_of(row.own), self.setting.request.seed)
        return known

    def _one_after_another(self, to_judge: Sequence[tuple[int, Candidate]]) -> Iterator[Judged | HarnessError]:
        with Bench(self.setting, self.tell) as bench:
            for position, candidate in to_judge:
                try:
                    judged = bench.judge(candidate, partial(self._found, candidate))
                    answer: Judged | HarnessError = self._finished(candidate, judged, position)
                except IsolationError:
                    raise
                except Exception as error:
                    answer = _broken(candidate, error)
                yield answer

    def _dealt(self, dealer: SideBySide | Cluster, to_judge: Sequence[tuple[int, Candidate]]) -> Iterator[Judged | HarnessError]:
        for done, (index, answer) in enumerate(dealer.judge([candidate for _, candidate in to_judge], self._found), 1):
            position, candidate = to_judge[index]
            self.tell("judging", done, len(to_judge))
            if isinstance(answer, HarnessError):
                yield _broken(candidate, answer)
                continue
            try:
                judged: Judged | HarnessError = self._finished(candidate, answer, position)
            except Exception as error:
                judged = _broken(candidate, error)
            yield judged

    def _finished(self, candidate: Candidate, judged: Judged, position: int) -> Judged:
        if self.journal is not None and not judged.cut:
            self.journal.add(candidate, judged)
        return replace(judged, position=position)

    def _found(self, candidate: Candidate, outcome: Outcome) -> None:
        if self.journal is not None:
            self.journal.found(candidate, outcome)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def replay(
    file: str,
    candidate: str,
    *,
    assignment: str | None = None,
    limits: StatedLimits = (),
    isolation: Isolation = "auto",
    progress: Progress | None = None,
) -> Judged:
    """Ask one candidate about one stored problem, judged by the candidate's own claims, or by those of the assignment.

    Raises:
        RequestError: the file or the candidate is not what it should be, the candidate does not claim such networks, or a limit or the
            assignment is wrong.
    """
    profile = replace(PROFILES["quick"], name="replay", networks=1, differences=1, every_tensor=True, shrinking=0)
    fixed = None if assignment is None else read_assignment(assignment)
    allowed = _limits(profile, fixed, limits)
    try:
        with open(file, "rb") as opened:
            stored = opened.read()
    except OSError as error:
        raise RequestError(f"{file}: cannot be read: {error.strerror}") from None
    found, errors = find_candidates([candidate], assignment=fixed)
    if errors:
        raise errors[0]
    if len(found) != 1:
        raise RequestError(f"{candidate}: replay takes one candidate, this folder has {len(found)}: {', '.join(one.name for one in found)}")
    try:
        problem = getattr(judging_of(found[0]), "read_problem", problem_from_bytes)(stored)
    except RequestError as error:
        raise RequestError(f"{file}: {error}") from None
    if found[0].contract != problem.contract:
        raise RequestError(f"{file}: the stored problem is of the contract {problem.contract!r}, {candidate} is of {found[0].contract!r}")
    with Zygote(isolation=isolation) as zygote:
        run = Run(zygote, allowed, Request(profile, 0, assigned=fixed is not None, references=_beside(assignment)), progress or _silent)
        judged: Judged = judging_of(found[0]).replay(run, problem, file, found[0])
        return judged


def _beside(assignment: str | None) -> str:
    """The folder that an assignment lies in."""
    return "" if assignment is None else str(Path(assignment).resolve().parent)


def _grading(words: tuple[str, ...], assignment: Assignment | None, keep_measurements: bool) -> Grading:
    """What holds for every report; `words` give the run's options again."""
    if assignment is None:
        return Grading(words)
    return Grading(words, not keep_measurements, assignment.weights, assignment.hints, assignment.message)


def _words(**options: str | Sequence[str] | None) -> list[str]:
    """Options of the command, as words: those that were given."""
    each = {name: (given,) if isinstance(given, str) else given or () for name, given in options.items()}
    return [word for name, values in each.items() for value in values for word in (f"--{name}", value)]


def _stated(limits: StatedLimits) -> list[str]:
    return [f"{name}={value}" for name, value in limits.items()] if isinstance(limits, Mapping) else list(limits)


def _broken(candidate: Candidate | Unjudged, error: Exception) -> HarnessError:
    if isinstance(error, HarnessError):
        return HarnessError(f"{printable(candidate.path)} was not judged: {error}")
    broken = HarnessError(f"{printable(candidate.path)} was not judged")
    broken.__cause__ = error
    return broken


def _silent(phase: str, done: int, total: int) -> None:
    return None


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise RequestError(f"there is no profile {name!r}; there are {', '.join(PROFILES)}")
    return PROFILES[name]


def _refuse_unknown_checks(only: Sequence[str]) -> None:
    for check in only:
        if check not in check_ids():
            raise RequestError(f"there is no check {check!r}; there are {', '.join(check_ids())}")


def _seed(profile: Profile, seed: int | None, journal: Journal | None, kept: KeptReports | None) -> int:
    """The seed as asked, the profile's own, or a fresh one; the seed of the run that is resumed, or of the cohort's reports, before all."""
    chosen = None if journal is None else journal.seed
    if chosen is None and kept is not None:
        chosen = kept.seed
    if chosen is None:
        chosen = profile.seed if seed is None else seed
    if chosen is None:
        chosen = randbits(31)
    if journal is not None:
        journal.begin(chosen)
    return chosen


def _limits(profile: Profile, assignment: Assignment | None, limits: StatedLimits) -> Limits:
    """The profile's limits, those of the assignment before them, those that are stated first of all."""
    stated: dict[str, Any] = {"forbid": profile.forbid}
    if not profile.scratch:
        stated["scratch_bytes"] = 0
    if assignment is not None and assignment.forbid is not None:
        stated["forbid"] = assignment.forbid
    fixed = {} if assignment is None else assignment.limits
    return replace(Limits(), **{**stated, **fixed, **read_limits(limits)})
