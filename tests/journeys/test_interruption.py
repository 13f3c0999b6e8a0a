"""Ctrl-C, as a terminal sends it: to every process in the command's foreground."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def parents() -> dict[int, int]:
    """Each running process and its parent (those that only wait to be collected do not run)."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found[int(entry.parent.name)] = int(fields[1])
    return found


def descendants(process: int) -> set[int]:
    """All processes below this one."""
    known, grown = {process}, True
    while grown:
        below = {child for child, parent in parents().items() if parent in known} - known
        known |= below
        grown = bool(below)
    return known - {process}


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_an_interrupt_ends_everything_in_one_line(tmp_path):
    command = [sys.executable, "-m", "verifier", "check", "tests/planted/endless_loop.py", "--profile", "quick", "--report-dir", tmp_path]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert wait_for(lambda: len(descendants(running.pid)) >= 2, 60)  # a zygote and a worker
    time.sleep(0.5)  # the worker is inside the candidate's loop, which may last 10 s
    theirs = descendants(running.pid)
    os.killpg(running.pid, signal.SIGINT)
    output, error = running.communicate(timeout=20)
    assert running.returncode == 130
    assert output == ""
    assert error == "Interrupted: 0 judged before.\n"
    assert wait_for(lambda: not theirs & set(parents()), 5)
