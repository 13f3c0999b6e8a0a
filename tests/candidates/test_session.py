"""Whoever ends, and however, the others are told, and nothing survives."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from verifier.candidates.limits import Limits
from verifier.candidates.session import Session, Target, WorkerEnded
from verifier.candidates.zygote import Zygote
from verifier.errors import HarnessError

ROOT = Path(__file__).resolve().parents[2]
ASK = {"calls": [{"function": "backprop", "arguments": [], "form": "array"}]}


@pytest.fixture
def target(tmp_path):
    file = tmp_path / "student.py"
    file.write_text("import time\ndef backprop():\n    return 1\ndef sleep():\n    time.sleep(100)\n")
    return Target(file, None, (file,))


def alive(pid: int) -> bool:
    """Whether a process runs (one that waits to be reaped does not)."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text() if sys.platform == "linux" else os.kill(pid, 0) is None
    except OSError:
        return False


def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def process_of(session: Session) -> int:
    pid = session._report.pid
    assert pid is not None and alive(pid)
    return pid


def test_sessions_are_independent_and_one_zygote_serves_several_threads(target):
    with Zygote() as zygote:
        told = []

        def work():
            for _ in range(3):
                with zygote.start(target, Limits()) as session:
                    told.append(session.ask(ASK, {}).arrays["a0"].item())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert told == [1.0] * 12


def test_a_closed_session_leaves_no_process_no_scratch_and_no_descriptor(target):
    with Zygote() as zygote:
        zygote.start(target, Limits()).close()
        before = len(os.listdir("/proc/self/fd"))
        session = zygote.start(target, Limits())
        pid, scratch = process_of(session), Path(str(session._report.scratch))
        assert scratch.is_dir()
        session.close()
        session.close()
        assert not alive(pid)
        assert not scratch.exists()
        assert session.death is not None and session.death.peak_memory > 1 << 20
        assert len(os.listdir("/proc/self/fd")) == before
        with pytest.raises(WorkerEnded, match="was closed"):
            session.ask(ASK, {})


def test_closing_the_zygote_ends_its_workers(target):
    zygote = Zygote()
    session = zygote.start(target, Limits())
    pid, home = process_of(session), Path(str(session._report.scratch)).parent
    zygote.close()
    assert not alive(pid)
    assert not home.exists()
    session.close()


def test_a_killed_zygote_is_the_harness_s_fault_and_takes_its_workers_along(target):
    with Zygote() as zygote, zygote.start(target, Limits()) as session:
        pid, home = process_of(session), Path(str(session._report.scratch)).parent
        os.kill(zygote._spawned.process.pid, signal.SIGKILL)
        with pytest.raises(HarnessError, match="the process that starts the workers has ended"):
            session.ask({"calls": [{"function": "sleep", "arguments": [], "form": "array"}]}, {})
        assert gone(pid)
        with pytest.raises(HarnessError, match="the process that starts the workers has ended"):
            zygote.start(target, Limits())
    assert not home.exists()


def test_a_zygote_that_cannot_start_says_why(target, monkeypatch, tmp_path):
    from verifier.candidates import spawning as module

    (tmp_path / "numpy.py").write_text("raise ImportError('no NumPy for this Python')\n")
    real = module._clean_environment
    monkeypatch.setattr(module, "_clean_environment", lambda: real() | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])})
    with Zygote() as zygote, pytest.raises(HarnessError, match="no NumPy for this Python"):
        zygote.start(target, Limits())


def test_a_killed_worker_is_told_as_a_death_of_its_own(target):
    with Zygote() as zygote, zygote.start(target, Limits()) as session:
        os.kill(process_of(session), signal.SIGKILL)
        with pytest.raises(WorkerEnded) as ended:
            session.ask(ASK, {})
        assert ended.value.reason == "memory"


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "sys.exit()"])
def test_nothing_survives_a_referee_however_it_ends(target, end):
    source = f"""
        import os, sys, threading
        from pathlib import Path
        from verifier.candidates.limits import Limits
        from verifier.candidates.session import Target
        from verifier.candidates.zygote import Zygote

        file = Path({str(target.file)!r})
        zygote = Zygote()
        session = zygote.start(Target(file, None, (file,)), Limits())
        sleep = {{"calls": [{{"function": "sleep", "arguments": [], "form": "array"}}]}}
        threading.Thread(target=session.ask, args=(sleep, {{}}), daemon=True).start()
        print(session._report.pid, zygote._spawned.process.pid, session._report.scratch, flush=True)
        {end}
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    referee = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], env=environment, capture_output=True, text=True, timeout=60)
    worker, zygote, scratch = referee.stdout.split()
    assert gone(int(worker))
    assert gone(int(zygote))
    assert not Path(scratch).parent.exists()


def test_large_arrays_pass_both_ways(tmp_path):
    file = tmp_path / "student.py"
    file.write_text("def backprop(x):\n    return x * 2\n")
    request = {"put": {"x": "x"}, "calls": [{"function": "backprop", "arguments": ["x"], "form": "array"}]}
    x = np.arange(3e6)
    with Zygote() as zygote, zygote.start(Target(file, None, (file,)), Limits()) as session:
        np.testing.assert_array_equal(session.ask(request, {"x": x}).arrays["a0"], x * 2)


def test_a_worker_that_never_reads_a_large_request_ends_at_the_wall_limit(tmp_path):
    """It stops itself after the hello, so the request fills the socket and no more."""
    file = tmp_path / "student.py"
    file.write_text(
        "import os, signal\nsignal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGSTOP))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05)\ndef backprop():\n    return 1\n"
    )
    with Zygote() as zygote, zygote.start(Target(file, None, (file,)), Limits(wall_seconds=0.5)) as session:
        time.sleep(0.2)
        with pytest.raises(WorkerEnded) as ended:
            session.ask({**ASK, "put": {"x": "x"}}, {"x": np.zeros(4_000_000)})
        assert ended.value.reason == "wall"


def test_a_worker_needs_neither_torch_nor_hypothesis_nor_the_referee_s_modules(tmp_path):
    file = tmp_path / "student.py"
    file.write_text(
        "import sys\nloaded = [n for n in sys.modules if n.partition('.')[0] in ('torch', 'hypothesis', 'msgspec', 'click', 'rich')]\n"
        "def backprop():\n    raise ValueError(loaded)\n"
    )
    with Zygote() as zygote, zygote.start(Target(file, None, (file,)), Limits()) as session:
        assert session.ask(ASK, {}).message["results"][0]["raised"]["text"] == "[]"


IN_THE_BACKGROUND = """
import os, threading, time
steps = [0]
def work():
    while True:
        steps[0] += 1
        with open(f"file{steps[0] % 1000}", "wb") as file:
            file.write(bytes(100_000))
        time.sleep(0.001)
threading.Thread(target=work, daemon=True).start()
def backprop():
    return steps[0]
"""


def written_between_questions(tmp_path, seconds: float) -> int:
    """Files that a thread writes while nothing is asked."""
    file = tmp_path / "background.py"
    file.write_text(IN_THE_BACKGROUND)
    with Zygote() as zygote, zygote.start(Target(file, None, (file,)), Limits()) as session:
        session.ask(ASK, {})
        time.sleep(0.05)
        before = len(os.listdir(session._report.scratch))
        time.sleep(seconds)
        return len(os.listdir(session._report.scratch)) - before


def test_cpu_time_for_one_answer_is_that_of_no_other(tmp_path):
    file = tmp_path / "busy.py"
    file.write_text(
        "import time\ndef backprop():\n    end = time.process_time() + 0.25\n    while time.process_time() < end: pass\n    return 1\n"
    )
    with Zygote() as zygote, zygote.start(Target(file, None, (file,)), Limits(cpu_seconds=0.5)) as session:
        for _ in range(5):
            assert session.ask(ASK, {}).arrays["a0"] == 1
    told = pytest.raises(WorkerEnded, match=r"used more than 0\.1 s of CPU time for one answer")
    with Zygote() as zygote, zygote.start(Target(file, None, (file,)), Limits(cpu_seconds=0.1)) as session, told:
        session.ask(ASK, {})


def test_nothing_goes_on_while_nothing_is_asked(tmp_path, monkeypatch):
    assert written_between_questions(tmp_path, 0.5) == 0
    real = Session._signal
    monkeypatch.setattr(Session, "_signal", lambda self, number: None if number == signal.SIGSTOP else real(self, number))
    assert written_between_questions(tmp_path, 0.5) > 10
