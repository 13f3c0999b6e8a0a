"""The pytest plug-in: `pytest --verify PATH` collects every candidate's checks as test items.

An item is `PATH::CHECK`, one a check, and `PATH::verdict` for the whole, which passes where `verifier check` ends with status 0. A
candidate is judged once, in its own process as always, when the first of its items runs. Nothing of the harness is imported without
`--verify`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from verifier.candidates.discovery import Candidate
    from verifier.results.outcome import Outcome
    from verifier.results.report import Report
    from verifier.verification.judging import Judged

PROFILES = ("quick", "ci", "thorough", "grading")
ISOLATION = ("auto", "require", "off")
VERDICT = "verdict"
PRINTED_LINES = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("verifier", "verification of backpropagation code")
    group.addoption("--verify", action="append", default=[], metavar="PATH", help="Judge the candidates at PATH; may be repeated.")
    group.addoption("--verify-profile", choices=PROFILES, help="How many networks are asked (default: ci).")
    group.addoption("--verify-seed", type=int, metavar="N", help="Draws the networks.")
    group.addoption("--verify-assignment", metavar="FILE", help="A TOML file that fixes claims, limits and imports.")
    group.addoption("--verify-isolation", choices=ISOLATION, help="How far it must be confined (default: auto; under grading: require).")
    group.addoption("--verify-report-dir", metavar="DIR", help="Also write each candidate's report to DIR/<name>/.")
    parser.addini("verify", "Candidates to judge, one per line, relative to this file.", type="linelist")
    group.addoption("--verify-trust-references", action="store_true", help="I wrote the files of contract reference; run them.")
    parser.addini("verify_trust_references", "The project wrote the files of contract reference; run them.", type="bool", default=False)
    parser.addini("verify_profile", "How many networks are asked: quick, ci, thorough or grading.", default="ci")


@pytest.hookimpl(tryfirst=True)  # before -k, -m and --lf choose among the items
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    paths = [*config.getoption("verify"), *_from_ini(config)]
    if paths:
        with without_working_folder():
            items.extend(_collect(session, paths))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Where only some checks of a candidate were chosen, only those are asked."""
    chosen: dict[Bench, list[str]] = {}
    for item in session.items:
        if isinstance(item, CheckItem):
            chosen.setdefault(item.bench, []).append(item.name)
    for bench, names in chosen.items():
        bench.only = () if VERDICT in names else tuple(names)


@contextlib.contextmanager
def without_working_folder() -> Iterator[None]:
    """The import path without the working folder, which `python -m pytest` puts there for the tests: no module of it is for the referee."""
    kept, here = sys.path[:], os.path.realpath(os.curdir)
    sys.path[:] = [path for path in kept if os.path.realpath(path or os.curdir) != here]
    try:
        yield
    finally:
        sys.path[:] = kept


def _from_ini(config: pytest.Config) -> list[str]:
    """Paths of the ini file as the working folder sees them; names of plug-ins and modules stay."""
    home = config.inipath.parent if config.inipath else config.rootpath
    lines: list[str] = config.getini("verify")
    return [os.path.relpath(home / line) if (home / line).exists() else line for line in lines]


def _collect(session: pytest.Session, paths: Sequence[str]) -> Iterator[pytest.Item]:
    from verifier.candidates.assignment import read_assignment
    from verifier.candidates.discovery import find_candidates
    from verifier.errors import RequestError

    assignment = session.config.getoption("verify_assignment")
    try:
        fixed = None if assignment is None else read_assignment(assignment)
    except RequestError as error:
        raise pytest.UsageError(f"--verify-assignment: {error}") from None
    candidates, errors = find_candidates(paths, assignment=fixed)
    if errors:
        yield from session.genitems(RequestCollector.from_parent(session, name="verify", nodeid="verify", errors=errors))
    for candidate in candidates:
        node_id = _node_id(candidate, session.config)
        yield from session.genitems(CandidateCollector.from_parent(session, name=candidate.path, nodeid=node_id, candidate=candidate))


def _node_id(candidate: Candidate, config: pytest.Config) -> str:
    """The path as every other item has it, relative to the root (also where it lies outside); a plug-in or module by its name."""
    path = Path(os.path.abspath(candidate.path))
    if not path.exists() or path.drive != config.rootpath.drive:
        return candidate.path
    return Path(os.path.relpath(path, config.rootpath)).as_posix()


class Bench:
    """One candidate and its report, made when it is first asked for."""

    def __init__(self, candidate: Candidate, config: pytest.Config) -> None:
        self.candidate, self.only = candidate, tuple[str, ...]()
        self._config = config
        self._answer: Report | Exception | None = None

    def report(self) -> Report:
        """Raises VerifierError where the candidate could not be judged."""
        if self._answer is None:
            try:
                with without_working_folder():
                    self._answer = self._judge()
            except Exception as error:
                self._answer = error
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def _judge(self) -> Report:
        from verifier.verification.judging import judge

        option = self._config.getoption
        (judged,) = judge(
            [self.candidate.path],
            profile=option("verify_profile") or self._config.getini("verify_profile"),
            seed=option("verify_seed"),
            only=self.only,
            assignment=option("verify_assignment"),
            isolation=option("verify_isolation"),
            trust_references=option("verify_trust_references") or self._config.getini("verify_trust_references"),
        )
        if isinstance(judged, Exception):
            raise judged
        folder = option("verify_report_dir")
        if folder is not None:
            self._write(judged, Path(folder))
        return judged.report

    def _write(self, judged: Judged, directory: Path) -> None:
        from verifier.reports.folder import report_folder, write_folder
        from verifier.reports.formats import default_formats

        report = judged.report
        write_folder(report, judged.counterexample, report_folder(directory, self.candidate.name), default_formats(report.verdict))


class CandidateCollector(pytest.Collector):
    """A candidate, as the node that its checks hang below."""

    def __init__(self, *, candidate: Candidate, **rest: Any) -> None:
        super().__init__(**rest)
        self.candidate = candidate
        self.extra_keyword_matches.add(candidate.name)

    def collect(self) -> Iterator[pytest.Item]:
        from verifier.checks.catalogue import check_ids

        bench = Bench(self.candidate, self.config)
        for check in (*check_ids(), VERDICT):
            item: pytest.Item = CheckItem.from_parent(self, name=check, bench=bench)
            yield item


class CheckItem(pytest.Item):
    """One check of one candidate, or its verdict."""

    def __init__(self, *, bench: Bench, **rest: Any) -> None:
        super().__init__(**rest)
        self.bench = bench

    def runtest(self) -> None:
        report = self.bench.report()
        if self.name == VERDICT:
            if report.verdict != "pass":
                from verifier.reports.terminal import write

                raise CheckFailed(write(report))
            return
        outcome = next((outcome for outcome in report.checks if outcome.id == self.name), None)
        if outcome is None:
            pytest.skip("not asked")
        self._measured(outcome)
        if outcome.status in ("fail", "error"):
            raise CheckFailed(_words(report, outcome))
        if outcome.status != "pass":
            pytest.skip(f"{outcome.status}: {outcome.message}")

    def _measured(self, outcome: Outcome) -> None:
        """Figures for --junitxml, and the notes beside the captured output."""
        figures: Mapping[str, object] = {"error": outcome.error, "tolerance": outcome.tolerance, "networks": outcome.problems}
        self.user_properties += [(name, figure) for name, figure in figures.items() if figure is not None]
        if outcome.notes:
            self.add_report_section("call", "notes", "\n".join(outcome.notes))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from verifier.errors import VerifierError

        if isinstance(excinfo.value, CheckFailed | VerifierError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return self.nodeid.split("::")[0], None, f"{self.bench.candidate.name}: {self.name}"


class RequestCollector(pytest.Collector):
    """What was asked for and cannot be judged."""

    def __init__(self, *, errors: Sequence[Exception], **rest: Any) -> None:
        super().__init__(**rest)
        self._errors = errors

    def collect(self) -> Iterator[pytest.Item]:
        for number, error in enumerate(self._errors):
            item: pytest.Item = RefusedItem.from_parent(self, name=f"request {number}", error=error)
            yield item


class RefusedItem(pytest.Item):
    """A request that is wrong (no such file, a bad manifest): it fails, and the others still run."""

    def __init__(self, *, error: Exception, **rest: Any) -> None:
        super().__init__(**rest)
        self._error = error

    def runtest(self) -> None:
        raise self._error

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return "verify", None, self.name


class CheckFailed(Exception):
    """A check failed; the text is what the report says."""


def _words(report: Report, outcome: Outcome) -> str:
    from verifier.reports.untrusted import last_lines, one_line

    lines = [one_line(outcome.message)]
    lines += [f"Diagnosis: {one_line(found.fault)}: {one_line(found.explanation)}" for found in report.diagnosis[:1]]
    if report.printed.strip():
        lines += ["It printed:", *(f"  | {line}" for line in last_lines(report.printed, PRINTED_LINES))]
    return "\n".join(lines)
