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


LAYERS = """
import time

import numpy as np


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, x):
    time.sleep(10)


affine_forward, affine_backward = relu_forward, relu_backward
"""


@pytest.fixture(params=["one worker", "two workers, interrupted twice"])
def hanging(request, tmp_path):
    """A file that hangs, how many processes there are meanwhile, and how often it is interrupted."""
    if request.param == "one worker":
        return "tests/planted/endless_loop.py", 2, 1
    file = tmp_path / "layers.py"
    file.write_text(LAYERS)
    return str(file), 3, 2


def test_an_interrupt_ends_everything_in_one_line(hanging, tmp_path):
    file, processes, times = hanging
    command = [sys.executable, "-m", "verifier", "check", file, "--profile", "quick", "--report-dir", tmp_path]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert wait_for(lambda: len(descendants(running.pid)) >= processes, 60)  # a zygote and its workers
    time.sleep(0.5)  # the workers are inside the candidate's code, which may last 10 s
    theirs = descendants(running.pid)
    for _ in range(times):
        os.killpg(running.pid, signal.SIGINT)
    output, error = running.communicate(timeout=20)
    assert running.returncode == 130
    assert output == ""
    assert error == "Interrupted: 0 judged before.\n"
    assert wait_for(lambda: not theirs & set(parents()), 5)
