"""Every attack where the kernel has no Landlock (its system calls are unknown): what reads or writes files gets through, and the worker
says so; everything else is held as elsewhere, and under `require` none of it runs."""

import errno
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.worker.attacks import attacks

UNKNOWN = """
    import os, sys
    import pyseccomp
    seccomp = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"):
        seccomp.add_rule(pyseccomp.ERRNO(int(sys.argv[1])), name)
    seccomp.load()
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
ROOT = Path(__file__).resolve().parents[2]
ATTACKS = {file.stem: (held_by, verdict, words) for file, held_by, verdict, words in attacks()}
WHILE_LOADED = {"hangs_while_it_is_loaded": "did not load within", "leaves_while_it_is_loaded": "left while it was loaded"}
"""These end before they are asked; their first words tell what confines them, and nobody is there to hear them."""
ON_OTHER_NETWORKS = ("dies_on_one_problem", "returns_wrong_shapes")  # what they do shows in a whole run alone
LEFT_IN = ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/home")


def breaches() -> set[Path]:
    """What attacks left on this machine."""
    return {path for folder in LEFT_IN if os.access(folder, os.R_OK) for path in Path(folder).glob("*breach*")}


class Came(NamedTuple):
    """Whether files were confined, why not, what came of it, and why it is refused under `require`."""

    files: bool | None
    reason: str | None
    told: str
    refusal: str


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Came]:
    """Of each attack."""
    before = breaches()
    command = [sys.executable, "-c", textwrap.dedent(UNKNOWN), str(errno.ENOSYS), "-m", "tests.worker.attacks"]
    try:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=200)
    finally:
        for left in breaches() - before:
            left.rmdir() if left.is_dir() else left.unlink()
    assert done.returncode == 0, done.stderr
    return {name: Came(*rest) for name, *rest in map(json.loads, done.stdout.splitlines())}


def test_each_is_asked(outcomes):
    assert outcomes.keys() == ATTACKS.keys()


@pytest.mark.parametrize("attack", ATTACKS)
def test_its_worker_says_that_files_are_not_confined_and_under_require_none_of_it_runs(attack, outcomes):
    came = outcomes[attack]
    assert came.refusal.startswith("isolation is required, but files cannot be confined here: Landlock is not available")
    if attack not in WHILE_LOADED:
        assert came.files is False
        assert "Landlock is not available" in came.reason and f"[Errno {errno.ENOSYS}]" in came.reason


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_files_alone_hold_gets_through_and_nothing_else_does(attack, outcomes):
    held_by, verdict, words = ATTACKS[attack]
    if "files" in held_by.split(", "):
        assert "breach" in outcomes[attack].told
    elif attack in WHILE_LOADED or (verdict == "error" and attack not in ON_OTHER_NETWORKS):
        assert re.search(WHILE_LOADED.get(attack, words), outcomes[attack].told)
    elif "error" not in verdict or attack in ON_OTHER_NETWORKS:
        assert outcomes[attack].told == "answered"  # which is data, and the checks' to judge
    else:
        assert "breach" not in outcomes[attack].told
