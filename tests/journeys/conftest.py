"""Commands as a user runs them: a process of their own, the real worker, a cache that the tests of one session share."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def command(tmp_path_factory) -> Command:
    """`verifier` with these arguments, in the project's folder; what it wrote and its exit status."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "XDG_CACHE_HOME": str(home / "cache"), "HOME": str(home), "COLUMNS": "80"}
    environment.pop("VERIFIER_DEBUG", None)

    def run(*arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "verifier", *map(str, arguments)]
        return subprocess.run(words, cwd=ROOT, env={**environment, **options}, capture_output=True, text=True, timeout=600)

    return run
