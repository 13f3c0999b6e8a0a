"""`verifier.check`: the main job for programs."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Literal, overload

from verifier.errors import HarnessError, RequestError
from verifier.results.report import Report
from verifier.verification.judging import judge

Several = list[str] | list[PathLike[str]] | list[str | PathLike[str]] | tuple[str | PathLike[str], ...]


@overload
def check(
    candidate: str | PathLike[str],
    *,
    profile: Literal["quick", "ci", "thorough", "grading"] = ...,
    seed: int | None = ...,
    only: Sequence[str] = ...,
    assignment: str | PathLike[str] | None = ...,
    limits: Mapping[str, int | float | str] | None = ...,
    isolation: Literal["auto", "require", "off"] | None = ...,
    jobs: int | None = ...,
) -> Report: ...
@overload
def check(
    candidate: Several,
    *,
    profile: Literal["quick", "ci", "thorough", "grading"] = ...,
    seed: int | None = ...,
    only: Sequence[str] = ...,
    assignment: str | PathLike[str] | None = ...,
    limits: Mapping[str, int | float | str] | None = ...,
    isolation: Literal["auto", "require", "off"] | None = ...,
    jobs: int | None = ...,
) -> list[Report]: ...
def check(
    candidate: str | PathLike[str] | Several,
    *,
    profile: Literal["quick", "ci", "thorough", "grading"] = "ci",
    seed: int | None = None,
    only: Sequence[str] = (),
    assignment: str | PathLike[str] | None = None,
    limits: Mapping[str, int | float | str] | None = None,
    isolation: Literal["auto", "require", "off"] | None = None,
    jobs: int | None = None,
) -> Report | list[Report]:
    """Judge one candidate, or several; nothing is printed or written but the corpus in the user's cache.

    Args:
        candidate: a Python file, a folder with a `verifier.toml`, an installed plug-in's name, or `package.module`; or a list of these,
            which may also be folders of candidates.
        profile: how many random networks are asked about.
        seed: of the networks; the profile's own where it is None.
        only: ids of the checks to ask; all where it is empty.
        assignment: a TOML file that fixes claims and limits.
        limits: what the candidate may use, named and written as in an assignment's [limits], before which they go:
            `{"wall_seconds": 5, "memory": "1 GiB"}`. The names are memory, wall_seconds, cpu_seconds, load_seconds, all_wall_seconds,
            all_cpu_seconds, threads, open_files, output_bytes and scratch_bytes; docs/manifest.md has what each is.
        isolation: `require` refuses to run where files and system calls cannot be confined; None is `auto`, and `require` under grading.
        jobs: how many of several candidates are judged side by side; one after another where it is None.
    Returns:
        The report; `report.verdict` is `pass`, `fail`, `inconclusive` or `error`. Of a list the reports of all, in order; under an
        assignment what cannot be judged has one too, with `report.reason`.
    Raises:
        RequestError: there is no such candidate, its manifest is wrong, a limit is not one, or one candidate is a folder of several.
        IsolationError: isolation was required and is not available.
        HarnessError: the harness broke.
    """
    alone = isinstance(candidate, str | PathLike)
    paths = [fspath(candidate)] if isinstance(candidate, str | PathLike) else [fspath(one) for one in candidate]
    judged = judge(
        paths,
        profile=profile,
        seed=seed,
        only=only,
        assignment=None if assignment is None else fspath(assignment),
        limits=limits or {},
        isolation=isolation,
        jobs=jobs,
    )
    found = []
    for one in judged:
        if isinstance(one, (RequestError, HarnessError)):
            raise one
        found.append(one)
    reports = [one.report for one in sorted(found, key=lambda one: one.position)]
    if alone and len(reports) != 1:
        raise RequestError(f"{paths[0]}: check takes one candidate, this folder has {len(reports)}: give a list, [{paths[0]!r}]")
    return reports[0] if alone else reports
