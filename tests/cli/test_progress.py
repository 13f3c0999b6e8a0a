import os
import pty
import select
import subprocess
import sys

PROGRAM = """
import sys, verifier.cli.progress as progress
progress.QUIET_SECONDS = float(sys.argv[1])
with progress.ProgressBar() as bar:
    bar("vectorised_rows [red]: autograd", 3, 200)
    bar.clear()
    print("a verdict")
    bar("vectorised_rows: autograd", 200, 200)
"""


def run(quiet_seconds, *, terminal):
    """What the program above writes to its standard output (a pipe) and to its standard error (a terminal, or a pipe)."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    command = [sys.executable, "-c", PROGRAM, str(quiet_seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment, timeout=60)
    written = b""
    while select.select([ours], [], [], 0)[0] and (part := os.read(ours, 65536)):
        written += part
        if not terminal:
            break
    os.close(ours)
    os.close(theirs)
    return done.stdout, written


def test_a_long_run_shows_a_bar_on_stderr_and_nothing_of_it_on_stdout():
    output, bar = run(0, terminal=True)
    assert output == b"a verdict\n"
    assert b"vectorised_rows [red]: autograd" in bar
    assert b"3/200" in bar
    assert b"\x1b[2K" in bar.rpartition(b"3/200")[2]  # and it was taken away


def test_a_short_run_shows_none():
    assert run(60, terminal=True) == (b"a verdict\n", b"")


def test_without_a_terminal_there_is_none():
    assert run(0, terminal=False) == (b"a verdict\n", b"")
