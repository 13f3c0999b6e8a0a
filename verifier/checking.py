"""`verifier.check`: the main job for programs."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Literal

from verifier.errors import HarnessError, RequestError
from verifier.results.report import Report
from verifier.verification.judging import judge


def check(
    candidate: str | PathLike[str],
    *,
    profile: Literal["quick", "ci", "thorough", "grading"] = "ci",
    seed: int | None = None,
    only: Sequence[str] = (),
    assignment: str | PathLike[str] | None = None,
    limits: Mapping[str, int | float | str] | None = None,
    isolation: Literal["auto", "require", "off"] | None = None,
) -> Report:
    """Judge one candidate; nothing is printed or written but the corpus in the user's cache.

    Args:
        candidate: a Python file, a folder with a `verifier.toml`, an installed plug-in's name, or `package.module`.
        profile: how many random networks are asked about.
        seed: of the networks; the profile's own where it is None.
        only: ids of the checks to ask; all where it is empty.
        assignment: a TOML file that fixes claims and limits.
        limits: what the candidate may use, named and written as in an assignment's [limits], before which they go:
            `{"wall_seconds": 5, "memory": "1 GiB"}`. The names are memory, wall_seconds, cpu_seconds, load_seconds, all_wall_seconds,
            all_cpu_seconds, threads, open_files, output_bytes and scratch_bytes; docs/manifest.md has what each is.
        isolation: `require` refuses to run where files and system calls cannot be confined; None is `auto`, and `require` under grading.
    Returns:
        The report; `report.verdict` is `pass`, `fail`, `inconclusive` or `error`.
    Raises:
        RequestError: there is no such candidate, its manifest is wrong, a limit is not one, or it is a folder of several.
        IsolationError: isolation was required and is not to be had.
        HarnessError: the harness broke.
    """
    judged = list(
        judge(
            [fspath(candidate)],
            profile=profile,
            seed=seed,
            only=only,
            assignment=None if assignment is None else fspath(assignment),
            limits=limits or {},
            isolation=isolation,
        )
    )
    for one in judged:
        if isinstance(one, (RequestError, HarnessError)):
            raise one
    if len(judged) != 1:
        raise RequestError(f"{fspath(candidate)}: check takes one candidate, this folder has {len(judged)}")
    first = judged[0]
    assert not isinstance(first, (RequestError, HarnessError))
    return first.report
