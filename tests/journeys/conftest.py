"""Commands as a user runs them: a process of their own, the real worker, a cache that the tests of one session share."""

import fcntl
import json
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
    """One run over each folder of reference implementations that needs no other installation, and its reports by the file's name.

    Processes among which pytest-xdist spreads the suite share them: the first makes them, the others wait and read.
    """
    place = tmp_path_factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "judged"
    place.mkdir(exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return {folder: _judged(command, folder, place / folder) for folder in ("correct", "faulty", "worked_example")}


def _judged(command: Command, folder: str, place: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Report]]:
    kept = place / "command.json"
    if not kept.exists():
        done = command("check", f"reference_impls/{folder}", "--profile", "quick", "--report-dir", place)
        kept.write_text(json.dumps([done.args, done.returncode, done.stdout, done.stderr]))
    written = [from_json(path.read_bytes()) for path in place.glob("*/report.json")]
    return subprocess.CompletedProcess(*json.loads(kept.read_text())), {Path(report.candidate.path).stem: report for report in written}
