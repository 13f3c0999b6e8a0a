"""Commands as a user runs them: a process of their own, the real worker, a cache that the tests of one session share."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from verifier.results.report import Report, from_json

ROOT = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def python(tmp_path_factory) -> Command:
    """`python -m` with these arguments, in the project's folder, from a home of its own; what it wrote and its exit status."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "XDG_CACHE_HOME": str(home / "cache"), "HOME": str(home), "COLUMNS": "80"}
    environment.pop("VERIFIER_DEBUG", None)

    def run(*arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", *map(str, arguments)]
        return subprocess.run(words, cwd=ROOT, env={**environment, **options}, capture_output=True, text=True, timeout=600)

    return run


@pytest.fixture(scope="session")
def command(python: Command) -> Command:
    """`verifier` with these arguments; what it wrote and its exit status."""
    return partial(python, "verifier")


Judged = dict[str, tuple[subprocess.CompletedProcess[str], dict[str, Report]]]


@pytest.fixture(scope="session")
def judged(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """One run over each folder of reference implementations that needs no other installation, and its reports by the file's name."""
    found = {}
    for folder in ("correct", "faulty", "worked_example"):
        reports = tmp_path_factory.mktemp(folder)
        done = command("check", f"reference_impls/{folder}", "--profile", "quick", "--report-dir", reports)
        written = [from_json(path.read_bytes()) for path in reports.glob("*/report.json")]
        found[folder] = done, {Path(report.candidate.path).stem: report for report in written}
    return found
