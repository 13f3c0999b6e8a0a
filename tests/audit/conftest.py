"""`verifier audit` in a folder of its own, and what it found."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audit.projects import FILES, PATTERNS

PLANTED = Path(__file__).parents[1] / "planted"


class Audited:
    """One run: the process, and its JSON where it wrote one."""

    def __init__(self, done, folder):
        self.status, self.printed, self.said, self.folder = done.returncode, done.stdout, done.stderr, folder
        file = folder / "audit.json"
        self.found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    def function(self, name):
        (function,) = [one for one in self.found["functions"] if one["name"].rpartition(":")[2] == name]
        return function

    def outcomes(self, name):
        """By outcome, the mutants of a pass as "mutant" or, with several gradients, "output mutant"."""
        mutants = self.function(name)["mutants"]
        several = len({one["output"] for one in mutants} - {"every output"}) > 1
        found = {}
        for one in mutants:
            words = f"{one['output']} {one['mutant']}" if several else one["mutant"]
            found.setdefault(one["outcome"], set()).add(words)
        return found


def run_audit(folder, *arguments, cache, **environment):
    """`verifier audit` there, in this interpreter's environment."""
    words = [sys.executable, "-m", "verifier", "audit", "--output", "json=audit.json", "--jobs", "2", *arguments]
    # Half of the time of a small audit is pytest's, for plug-ins that these projects do without.
    env = {**os.environ, "VERIFIER_CACHE": str(cache), "COLUMNS": "100", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    (folder / "audit.json").unlink(missing_ok=True)
    return Audited(subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=400), folder)


def audit_in(folder, cache):
    """`audited(files, *arguments)`: write the files there, and audit."""
    folder.mkdir()

    def audited(files, *arguments, **environment):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return run_audit(folder, *arguments, cache=cache, **environment)

    return audited


@pytest.fixture
def audit(tmp_path):
    """Audit files that the test writes: `audit({"passes.py": text, …}, *arguments)`; the same folder each time."""
    return audit_in(tmp_path / "project", tmp_path / "cache")


@pytest.fixture(scope="module")
def layers_audited(tmp_path_factory):
    """The layers of `projects`, once a module: the run, its folder and its cache."""
    home = tmp_path_factory.mktemp("layers")
    return audit_in(home / "project", home / "cache")(FILES, *PATTERNS, "--no-proposals"), home


@pytest.fixture(scope="session")
def gradient_suite(tmp_path_factory):
    """A copy of the planted suite."""
    folder = tmp_path_factory.mktemp("suites") / "gradient_suite"
    shutil.copytree(PLANTED / "gradient_suite", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
