"""The request as the faces make it -> judged candidates, one after another; what is wrong with one does not keep the others waiting."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from secrets import randbits
from typing import Any

from verifier.candidates.assignment import Assignment, read_assignment, read_limits
from verifier.candidates.discovery import Candidate, find_candidates
from verifier.candidates.limits import Limits
from verifier.candidates.submissions import Unjudged, find_submissions
from verifier.candidates.zygote import Isolation, Zygote
from verifier.checks.catalogue import check_ids
from verifier.contracts.catalogue import DEFAULT, contract_of
from verifier.contracts.keys import printable
from verifier.errors import HarnessError, IsolationError, RequestError
from verifier.problems.storage import problem_from_bytes
from verifier.results.outcome import Outcome
from verifier.verification.grading import Grading
from verifier.verification.journal import Journal
from verifier.verification.profiles import PROFILES, Profile
from verifier.verification.record import Judged, Request, Run
from verifier.verification.run import Progress
from verifier.verification.unjudged import unjudged

__all__ = ["Judged", "Progress", "StatedLimits", "judge", "replay"]

StatedLimits = Sequence[str] | Mapping[str, int | float | str]  # NAME=VALUE each, or by name


def judge(
    paths: Sequence[str],
    *,
    profile: str = "ci",
    seed: int | None = None,
    only: Sequence[str] = (),
    assignment: str | None = None,
    limits: StatedLimits = (),
    isolation: Isolation = "auto",
    progress: Progress | None = None,
    journal: Journal | None = None,
    apart: Collection[str] = (),
    keep_measurements: bool = False,
    expecting: Callable[[int], None] = lambda count: None,
) -> Iterator[Judged | RequestError | HarnessError]:
    """Judge every candidate behind the paths, in order; a request that is wrong comes back in its place as the error.

    Where the harness breaks on one candidate, that comes back too, with its cause, and the others are still judged.
    `limits` go before those of the assignment. What the `journal` has of an interrupted run is taken from it,
    and the rest is added to it. Under an assignment whatever stands in a submissions folder is judged, or is a report that says why not.

    Args:
        apart: files and folders that are no submissions, though they may lie among them.
        keep_measurements: whether all measurements are kept; under an assignment else only the worst of them.
        expecting: called with the number of candidates before the first is judged; it may refuse by a RequestError.
    Raises:
        RequestError: profile, check, limit or assignment is wrong: nothing can be judged.
        IsolationError: isolation is required and is not to be had.
        HarnessError: the harness broke.
    """
    chosen = _profile(profile)
    _refuse_unknown_checks(only)
    fixed = None if assignment is None else read_assignment(assignment)
    allowed = _limits(chosen, fixed, limits)
    candidates: Sequence[Candidate | Unjudged]
    if fixed is None:
        candidates, errors = find_candidates(paths)
        expecting(len(candidates) + len(errors))
        yield from errors
    else:
        candidates = find_submissions(paths, fixed, apart)
        expecting(len(candidates))
    if not candidates:
        return
    request = Request(chosen, _seed(chosen, seed, journal), tuple(only))
    grading = _grading(fixed, only, limits, isolation, keep_measurements)

    def judged_of(candidate: Candidate | Unjudged, run: Run) -> Judged:
        if isinstance(candidate, Unjudged):
            contract = DEFAULT if fixed is None else fixed.contract
            return grading.of(unjudged(candidate.name, candidate.path, contract, {}, candidate.why, request), None)
        kept = None if journal is None else journal.finished(candidate)
        if kept is not None:
            return kept
        found = partial(journal.found, candidate) if journal is not None else _forget
        judged = grading.of(_judging(candidate).judge(run, candidate, found), candidate)
        if journal is not None:
            journal.add(candidate, judged)
        return judged

    with Zygote(isolation=isolation) as zygote:
        run = Run(zygote, allowed, request, progress or _silent)
        for candidate in candidates:
            # Whatever belongs to one candidate (its files, its answers, its report) costs no other its verdict.
            try:
                answer: Judged | HarnessError = judged_of(candidate, run)
            except IsolationError:
                raise
            except Exception as error:
                answer = _broken(candidate, error)
            yield answer


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
        with open(file, "rb") as stored:
            problem = problem_from_bytes(stored.read())
    except OSError as error:
        raise RequestError(f"{file}: cannot be read: {error.strerror}") from None
    except RequestError as error:
        raise RequestError(f"{file}: {error}") from None
    found, errors = find_candidates([candidate], assignment=fixed)
    if errors:
        raise errors[0]
    if len(found) != 1:
        raise RequestError(f"{candidate}: replay takes one candidate, this folder has {len(found)}: {', '.join(one.name for one in found)}")
    if found[0].contract != problem.contract:
        raise RequestError(f"{file}: the stored problem is of the contract {problem.contract!r}, {candidate} is of {found[0].contract!r}")
    with Zygote(isolation=isolation) as zygote:
        run = Run(zygote, allowed, Request(profile, 0), progress or _silent)
        judged: Judged = _judging(found[0]).replay(run, problem, file, found[0])
        return judged


def _judging(candidate: Candidate) -> Any:
    """The module that judges by the candidate's contract; it has `judge` and `replay`."""
    return import_module(contract_of(candidate.contract).judging)


def _grading(
    assignment: Assignment | None, only: Sequence[str], limits: StatedLimits, isolation: Isolation, keep_measurements: bool
) -> Grading:
    """What holds for every report, with the words that give the run's options again."""
    stated = [f"{name}={value}" for name, value in limits.items()] if isinstance(limits, Mapping) else limits
    words = [word for check in only for word in ("--only", check)]
    words += ["--assignment", assignment.path] if assignment else []
    words += [word for limit in stated for word in ("--limit", limit)]
    words += ["--isolation", isolation] if isolation != "auto" else []
    words += ["--keep-measurements"] if keep_measurements else []
    if assignment is None:
        return Grading(tuple(words))
    return Grading(tuple(words), not keep_measurements, assignment.weights, assignment.hints, assignment.message)


def _broken(candidate: Candidate | Unjudged, error: Exception) -> HarnessError:
    if isinstance(error, HarnessError):
        return HarnessError(f"{printable(candidate.path)} was not judged: {error}")
    broken = HarnessError(f"{printable(candidate.path)} was not judged")
    broken.__cause__ = error
    return broken


def _forget(outcome: Outcome) -> None:
    return None


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


def _seed(profile: Profile, seed: int | None, journal: Journal | None) -> int:
    """The seed as asked, the profile's own, or a fresh one; the seed of the run that is resumed before all."""
    chosen = None if journal is None else journal.seed
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
